import { z } from 'zod';
import { uuid } from './envelope.js';
import { set } from './row-change.js';
import type { RowChange } from './row-change.js';

/**
 * From whom an event takes something away; absent where from nobody. The numbers are epochs from here on: a token with a lower one is refused.
 * `principals` by id; `organisations` by name, where everybody loses something in it (`*`: in all of them); `credentials` are good for nothing any more.
 */
export const narrows = z.object({
  principals: z.record(uuid, z.int().positive()).optional(),
  organisations: z.record(z.string(), z.int().positive()).optional(),
  credentials: z.array(uuid).optional(),
}).optional();
export type Narrows = z.infer<typeof narrows>;

/** The epochs that an event raised. */
export function narrowed(value: Narrows): RowChange[] {
  return [
    ...Object.entries(value?.principals ?? {}).map(([id, epoch]) => set('principal', id, { epoch })),
    ...Object.entries(value?.organisations ?? {}).map(([name, epoch]) => set('organisation_epoch', name, { epoch })),
  ];
}
