export type { EventMeta, NewEvent, SealedEvent, StoredEvent } from './envelope.js';
export { EVENT_VERSIONS, eventJsonSchemas, foldEvent, readEvent } from './catalogue.js';
export type { DomainEvent, EventType } from './catalogue.js';
export { EventUnreadable } from './event-definition.js';
export type { RecordedEvent } from './event-definition.js';
export type { Model, Row, RowChange } from './row-change.js';
export { canonicalJson } from './canonical-json.js';
export { leafHash } from './leaf.js';
export { uuidv7 } from './uuidv7.js';
