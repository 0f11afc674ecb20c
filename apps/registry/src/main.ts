import { bootstrap } from '@waybill/composition';

// every role in one process, on an embedded Postgres where none is given: what `npm start` runs
await bootstrap();
