import { runCommand, verifyAuditCommand } from '@waybill/composition';

// `npm run audit:verify`: exit 0 = the chain of the audit is whole, 1 = it was changed, 2 = could not look
await runCommand(verifyAuditCommand);
