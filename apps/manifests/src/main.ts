import { bootstrap } from '@waybill/composition';

// manifests, tags, referrers and the catalog, on a database that other processes use as well
await bootstrap(['manifests']);
