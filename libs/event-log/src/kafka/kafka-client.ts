import kafkajs from 'kafkajs';
import type { Kafka, logLevel as LogLevel, SASLOptions } from 'kafkajs';

// The one import site of the client library, which Node cannot look into for names: everything else in this folder takes them from here (ADR 0021).
export const { ConfigResourceTypes, KafkaJSProtocolError, Partitioners } = kafkajs;
const { logLevel } = kafkajs;
export type { Admin, Kafka, Message, Producer, RecordMetadata, TopicMessages } from 'kafkajs';

export interface KafkaOptions {
  /** `host:port` of some brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** PEM texts. Undefined: no TLS. An empty object: TLS with the authorities of the system. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string };
  /** What the library says about itself. */
  readonly log?: (level: 'debug' | 'info' | 'warn' | 'error', message: string, details: object) => void;
}

const LEVELS = new Map<LogLevel, 'debug' | 'info' | 'warn' | 'error'>([
  [logLevel.ERROR, 'error'], [logLevel.WARN, 'warn'], [logLevel.INFO, 'info'], [logLevel.DEBUG, 'debug'],
]);

/** A client that has not connected yet. Its retries are few: whoever uses it repeats the whole step, from what the database says. */
export function openKafka({ brokers, clientId, tls, sasl, log = () => undefined }: KafkaOptions): Kafka {
  return new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    ssl: tls === undefined ? undefined : { ...tls },
    sasl: saslOf(sasl),
    connectionTimeout: 5_000,
    requestTimeout: 10_000,
    retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 2_000 },
    logLevel: logLevel.INFO,
    logCreator: () => ({ level, log: { message, timestamp: _timestamp, ...details } }) => log(LEVELS.get(level) ?? 'debug', message, details),
  });
}

/** Whether waiting may mend it: no broker answers, or one is not ready. A password, a certificate or a right that is refused is none. */
export function isAway(error: unknown): boolean {
  if (error instanceof kafkajs.KafkaJSNumberOfRetriesExceeded) return isAway(error.cause);
  return error instanceof kafkajs.KafkaJSError && error.retriable && !/certificate|self-signed/i.test(error.message);
}

function saslOf(sasl: KafkaOptions['sasl']): SASLOptions | undefined {
  if (sasl === undefined) return undefined;
  const { mechanism, username, password } = sasl;
  // one literal per mechanism: the library's type is a union
  if (mechanism === 'plain') return { mechanism, username, password };
  return mechanism === 'scram-sha-256' ? { mechanism, username, password } : { mechanism, username, password };
}
