import { bootstrap } from '@waybill/composition';

// tokens, and the API of whoever manages users and grants
await bootstrap(['tokens']);
