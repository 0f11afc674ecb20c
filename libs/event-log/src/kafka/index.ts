export { cloudEventOf, cloudEventSchema, cloudEventType, CLOUD_EVENT_TYPE, dataSchema } from './cloud-event.js';
export type { CloudEvent } from './cloud-event.js';
export { openKafka } from './kafka-client.js';
export type { KafkaOptions } from './kafka-client.js';
export { Relay } from './relay.js';
export type { RelayLag, RelayOptions } from './relay.js';
export type { RelayTopics } from './relay-messages.js';
export { ensureTopics, TopicsRefused } from './topics.js';
export type { TopicOptions } from './topics.js';
