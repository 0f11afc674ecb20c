import { z } from 'zod';
import { blobMounted, blobUnlinked, blobUploaded } from './blob.js';
import { credentialIssued, credentialRevoked } from './credential.js';
import type { StoredEvent } from './envelope.js';
import { EventUnreadable } from './event-definition.js';
import { grantChanged, grantGiven, grantRevoked, roleChanged, roleDefined, roleDeleted } from './grant.js';
import { groupChanged, groupCreated, groupDeleted, groupMemberAdded, groupMemberRemoved } from './group.js';
import { manifestDeleted, manifestPushed, manifestRestored } from './manifest.js';
import { organisationChanged, organisationCreated } from './organisation.js';
import { robotChanged, robotCreated, robotDisabled, robotEnabled, robotRevoked, userChanged, userCreated, userDisabled, userEnabled, userErased, userPasswordChanged } from './principal.js';
import { repositoryCreated, repositoryDeleted, repositoryVisibilityChanged } from './repository.js';
import type { RowChange } from './row-change.js';
import { signingKeyAdded, signingKeyRotated, signingKeyWithdrawn } from './signing-key.js';
import { epochStarted } from './system.js';
import { tagDeleted, tagMoved } from './tag.js';

const DEFINITIONS = [
  repositoryCreated, blobUploaded, blobMounted, blobUnlinked, manifestPushed, manifestDeleted, manifestRestored, tagMoved, tagDeleted,
  repositoryVisibilityChanged, repositoryDeleted,
  organisationCreated, organisationChanged,
  userCreated, userChanged, userPasswordChanged, userDisabled, userEnabled, userErased, robotCreated, robotChanged, robotDisabled, robotEnabled, robotRevoked,
  credentialIssued, credentialRevoked,
  groupCreated, groupChanged, groupMemberAdded, groupMemberRemoved, groupDeleted,
  grantGiven, grantChanged, grantRevoked, roleDefined, roleChanged, roleDeleted,
  signingKeyAdded, signingKeyRotated, signingKeyWithdrawn,
  epochStarted,
] as const;
type Definition = (typeof DEFINITIONS)[number];

/** Every event of the registry, told apart by `type`, at its newest schema version. */
export type DomainEvent = ReturnType<Definition['read']>;
export type EventType = Definition['type'];

const BY_TYPE: ReadonlyMap<string, Definition> = new Map(DEFINITIONS.map((definition) => [definition.type, definition]));

/** Each type with its newest schema version, in the order of the catalogue. */
export const EVENT_VERSIONS: ReadonlyMap<EventType, number> = new Map(DEFINITIONS.map((definition) => [definition.type, definition.schema_version]));

/**
 * Parses and upcasts one stored event. undefined for a type that this release does not know: projections skip it, whatever deletes
 * must hold. Throws EventUnreadable for a known type with data that is not what its version says.
 */
export function readEvent(event: StoredEvent): DomainEvent | undefined {
  return BY_TYPE.get(event.type)?.read(event);
}

/**
 * The state changes of one event, after the same checks as readEvent and that it stands in the stream it belongs to. Throws
 * EventUnreadable, also for an unknown type: a fold that skipped one would prove nothing.
 */
export function foldEvent(event: StoredEvent): readonly RowChange[] {
  const definition = BY_TYPE.get(event.type);
  if (definition === undefined) throw new EventUnreadable(event, 'this release does not know the type; it was written by a newer one, upgrade first');
  return definition.fold(event);
}

/** JSON Schema 2020-12 of the data of every type, keyed `<Type>.v<n>`, older versions included. */
export function eventJsonSchemas(): Record<string, unknown> {
  const schemas: Record<string, unknown> = {};
  for (const { type, schema_version, data, older } of DEFINITIONS) {
    for (const [version, each] of Object.entries(older)) schemas[`${type}.v${version}`] = z.toJSONSchema(each.data, { target: 'draft-2020-12', io: 'input' });
    schemas[`${type}.v${schema_version}`] = z.toJSONSchema(data, { target: 'draft-2020-12', io: 'input' });
  }
  return schemas;
}
