import { bootstrapSetUp, runNamedCommand } from '@waybill/composition';

// the one-shot set-up step: schema, roles and bucket, before the services of a split deployment begin; with a word, what is done by hand as the owner
await runNamedCommand(bootstrapSetUp);
