import { exportAuditCommand, runCommand } from '@waybill/composition';

// `npm run --silent audit:export > audit.jsonl`
await runCommand(exportAuditCommand);
