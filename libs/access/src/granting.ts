import { isRepositoryName, organisationOf } from '@waybill/oci';
import { accessOf } from './access-of.js';
import type { Access } from './access-of.js';
import { EVERY_ORGANISATION } from './claims.js';
import { ANONYMOUS } from './decide.js';
import type { GrantSource } from './grant.js';
import type { Organisations } from './organisations.js';
import type { Granting } from './token-service.js';

/**
 * Grants what `accessOf` does, by one look at the epochs and the grants of the organisations that the scopes name; by none where nothing is asked for. What is
 * looked at depends on names alone, and not on whether there is anything of that name.
 */
export function grantingBy(source: GrantSource, organisations: Pick<Organisations, 'epochs'>, now: () => Date = () => new Date()): Granting {
  return async (identity, scopes, address) => {
    const names = scopes.flatMap(({ type, name }) => (type === 'repository' && isRepositoryName(name) ? [name] : []));
    const asked = [...new Set(names.map(organisationOf))];
    const asker = identity ?? ANONYMOUS;
    // what an admin may do does not come from what everybody may
    if (asker.admin || asked.length === 0) return accessOf(asker, scopes, [], { now: now(), address });
    // in this order: see Organisations.epochs
    const epochs = await organisations.epochs(asked);
    const grants = await source.grantsFor(identity, asked, names);
    const granted = accessOf(asker, scopes, grants, { now: now(), address });
    return { ...granted, organisations: ofGranted(epochs, granted) };
  };
}

/** The epoch of an organisation of which nothing was granted would tell whoever asks that there is one. */
function ofGranted(epochs: Readonly<Record<string, number>>, { access }: Access): Record<string, number> {
  const named = new Set(access.flatMap(({ type, name }) => (type === 'repository' && isRepositoryName(name) ? [organisationOf(name)] : [])));
  return Object.fromEntries(Object.entries(epochs).filter(([name]) => name === EVERY_ORGANISATION || named.has(name)));
}
