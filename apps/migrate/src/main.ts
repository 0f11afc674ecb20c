import { bootstrapSetUp } from '@waybill/composition';

// the one-shot set-up step: schema, roles and bucket, before the services of a split deployment begin
await bootstrapSetUp();
