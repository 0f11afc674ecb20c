import { bootstrap } from '@waybill/composition';

// the one address in front of the services: gateway.blobs and gateway.manifests say where they are
await bootstrap(['gateway']);
