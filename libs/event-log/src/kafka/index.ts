export { cloudEventOf, cloudEventSchema, cloudEventType, CLOUD_EVENT_TYPE, dataSchema } from './cloud-event.js';
export type { CloudEvent } from './cloud-event.js';
export { isAway, openKafka } from './kafka-client.js';
export type { KafkaOptions } from './kafka-client.js';
export { KafkaOutlet } from './kafka-outlet.js';
export type { KafkaOutletOptions } from './kafka-outlet.js';
export type { RelayTopics } from './relay-messages.js';
export { ensureTopics, TopicsRefused } from './topics.js';
export type { TopicOptions } from './topics.js';
