import { formatQuery } from './query.js';
import type { QueryParameters } from './query.js';

/** The value of a `Link` header that names the next page, with a path-absolute address: `</v2/…?n=…&last=…>; rel="next"` (wire-protocol G13, L1, R3). */
export function linkHeader(path: string, parameters: QueryParameters): string {
  return `<${path}${formatQuery(parameters)}>; rel="next"`;
}
