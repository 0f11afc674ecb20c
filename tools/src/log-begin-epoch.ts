import { beginEpochCommand, runCommand } from '@waybill/composition';

// `npm run log:begin-epoch -- --reason restore|failover`: docs/guides/backup.md says when
await runCommand(beginEpochCommand);
