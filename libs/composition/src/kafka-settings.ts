import { readFile } from 'node:fs/promises';
import type { KafkaOptions, TopicOptions } from '@waybill/event-log/kafka';
import { hostAndPort } from '@waybill/platform';
import type { Config, Logger } from '@waybill/platform';

/** How the brokers are reached. Undefined where the configuration names none. Rejects where a file of `kafka.tls` cannot be read. */
export async function kafkaOptions({ kafka }: Config, logger?: Logger): Promise<KafkaOptions | undefined> {
  const { brokers, clientId, tls, sasl } = kafka;
  if (brokers.length === 0) return undefined;
  const [ca, cert, key] = await Promise.all([pem('caFile', tls.caFile), pem('certFile', tls.certFile), pem('keyFile', tls.keyFile)]);
  return {
    brokers: brokers.map(hostAndPort),
    clientId,
    tls: tls.enabled ? { ca, cert, key } : undefined,
    sasl: sasl.mechanism === 'none' ? undefined : { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password.reveal() },
    // what fails is reported once, by the relay; the library's own lines are for whoever looks into it
    log: (level, message, details) => logger?.debug({ kafka: details, kafkaLevel: level }, message),
  };
}

export function topicOptions({ kafka }: Config): TopicOptions {
  const { events, tags, partitions, replicationFactor, retention } = kafka;
  return { topics: { events, tags }, partitions, replicationFactor, retentionMs: retention * 1000 };
}

async function pem(key: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`kafka.tls.${key} names ${path}, which cannot be read (${error instanceof Error ? error.message : String(error)}); expected a PEM file.`, { cause: error });
  });
}
