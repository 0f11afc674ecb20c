import { z } from 'zod';
import { defineSystemEvent } from './event-definition.js';

/**
 * The log goes on in a new epoch, of which this is the first event: what had been numbered in the epoch before may be more than this log holds
 * (`restore`: of a backup; `failover`: to a standby that had not received everything). Whoever reads positions compares them as (epoch, seq), and
 * one who has seen a seq above this event's in an earlier epoch has seen events that the log does not have. `previous_root` is the RFC 6962
 * root over the leaves of all events before this one, in hex; null where there are none.
 */
export const epochStarted = defineSystemEvent({
  type: 'EpochStarted',
  schema_version: 1,
  data: z.object({
    epoch: z.int().min(2),
    previous_root: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
    reason: z.enum(['failover', 'restore']),
  }),
  stream: 'system-log',
});
