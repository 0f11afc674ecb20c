import { checkBlobsCommand, runCommand } from '@waybill/composition';

// `npm run blobs:check`: exit 0 = every blob has its object, 1 = some have not, 2 = could not look
await runCommand(checkBlobsCommand);
