import { bootstrap } from '@waybill/composition';

// blobs and uploads, on a database and a storage that other processes use as well
await bootstrap(['blobs']);
