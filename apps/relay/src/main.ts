import { bootstrap } from '@waybill/composition';

// gives events their numbers, and publishes them to Kafka where kafka.brokers says where that is
await bootstrap(['relay']);
