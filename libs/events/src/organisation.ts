import { z } from 'zod';
import { networks } from './envelope.js';
import { defineRegistryEvent } from './event-definition.js';
import { narrowed, narrows } from './narrows.js';
import { set } from './row-change.js';

const organisation = z.string().min(1).describe('the first segment of the names of its repositories');

function stream(data: { readonly organisation: string }): string {
  return `organisation-${data.organisation}`;
}

/** Somebody made the organisation. One that the first push to it made has no such event. */
export const organisationCreated = defineRegistryEvent({
  type: 'OrganisationCreated',
  schema_version: 1,
  data: z.object({ organisation, networks }),
  stream,
  evolve: ({ data, version }) => [set('organisation', data.organisation, { networks: data.networks, version })],
});

/** From which addresses the organisation may be used changed. */
export const organisationChanged = defineRegistryEvent({
  type: 'OrganisationChanged',
  schema_version: 1,
  data: z.object({ organisation, before: z.object({ networks }), after: z.object({ networks }), narrows }),
  stream,
  evolve: ({ data, version }) => [set('organisation', data.organisation, { networks: data.after.networks, version }), ...narrowed(data.narrows)],
});
