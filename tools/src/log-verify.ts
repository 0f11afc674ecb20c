import { runCommand, verifyLogCommand } from '@waybill/composition';

// `npm run log:verify`: exit 0 = log and state are equal, 1 = they differ, 2 = could not look
await runCommand(verifyLogCommand);
