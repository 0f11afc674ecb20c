import { isNetwork } from '@waybill/platform';
import { isRepositoryName } from '@waybill/oci';
import { AccessRefused } from './access-refused.js';

// No ':' (RFC 7617 ends a login there), no '+' (that makes a robot), no '/' and nothing that has to be quoted in a scope.
const NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;
const MAX_NAME = 64;
const MAX_LABEL = 200;
const MAX_NETWORKS = 100;

/** Of a user, a robot within its organisation, or a group. */
export function isName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text);
}

/** `alice` or `<organisation>+<name>`. What has another form is nobody's login. */
export function isLogin(text: string): boolean {
  const [first = '', second, ...rest] = text.split('+');
  return rest.length === 0 && (second === undefined ? isName(first) : isOrganisationName(first) && isName(second));
}

/** The first segment of names of repositories. */
export function isOrganisationName(text: string): boolean {
  return text.length <= 128 && !text.includes('/') && isRepositoryName(text);
}

/** @throws AccessRefused */
export function checkName(what: string, text: string): void {
  if (!isName(text)) throw new AccessRefused('invalid', `${JSON.stringify(text.slice(0, 96))} is no ${what}: expected up to ${MAX_NAME} of a-z and 0-9, joined inside by '.', '_' or '-'`);
}

/** @throws AccessRefused */
export function checkOrganisationName(text: string): void {
  if (!isOrganisationName(text)) throw new AccessRefused('invalid', `${JSON.stringify(text.slice(0, 96))} is no name of an organisation: expected the first segment of a repository name`);
}

/** Something for people to read. @throws AccessRefused */
export function checkLabel(what: string, text: string | null): void {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (text !== null && (text.length > MAX_LABEL || /[\u0000-\u001f\u007f]/.test(text) || !text.isWellFormed())) {
    throw new AccessRefused('invalid', `the ${what} is not taken: expected up to ${MAX_LABEL} printable characters`);
  }
}

/** @throws AccessRefused */
export function checkNetworks(networks: readonly string[] | null | undefined): void {
  if (networks === null || networks === undefined) return;
  const wrong = networks.find((network) => !isNetwork(network));
  if (wrong !== undefined) throw new AccessRefused('invalid', `${JSON.stringify(wrong.slice(0, 96))} is no network: expected such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1`);
  if (networks.length > MAX_NETWORKS) throw new AccessRefused('invalid', `${networks.length} networks are given: at most ${MAX_NETWORKS} are taken`);
}
