import { managementOpenApi } from '@waybill/access';
import { commandLineReference } from '@waybill/cli/reference';
import { configReference, metricsReference } from '@waybill/platform';
import { eventPages } from './event-pages.js';

/** A page of docs/reference that is written by `npm run docs`, committed, and compared with the code by `npm run check`. */
export interface ReferencePage {
  /** Relative to docs/reference. */
  readonly file: string;
  readonly render: () => string;
}

export const referencePages: readonly ReferencePage[] = [
  { file: 'cli.md', render: commandLineReference },
  { file: 'config.md', render: configReference },
  { file: 'metrics.md', render: metricsReference },
  { file: 'openapi.json', render: () => `${JSON.stringify(managementOpenApi(), null, 2)}\n` },
  ...eventPages(),
];
