export { describeRegistry, type ProtocolOptions } from './protocol/describe-registry.js';
