import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KafkaServer, requireBinaries, requireKafka, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { openKafka } from './kafka-client.js';
import type { KafkaOptions } from './kafka-client.js';
import { checkTopics, ensureTopics } from './topics.js';

const run = promisify(execFile);
const programs = requireKafka();
const found = requireBinaries('openssl', 'keytool');
const describeKafka = programs === undefined || found === undefined ? describe.skip : describe;
const PASSWORD = 'only-for-this-test';

/** A broker that wants TLS and a password, known by an authority of its own. */
describeKafka('a broker with TLS and SASL', () => {
  let folder: TemporaryFolder;
  let server: KafkaServer;
  let ca: string;
  const topics = { topics: { events: 'events', tags: 'tags' }, partitions: 3, retentionMs: 3_600_000 };

  beforeAll(async () => {
    if (programs === undefined || found === undefined) return;
    folder = await temporaryFolder('kafka-tls');
    const [cert, key, store] = ['ca.pem', 'key.pem', 'store.p12'].map((name) => join(folder.path, name));
    if (cert === undefined || key === undefined || store === undefined) return;
    await run(found.openssl, ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]);
    await run(found.openssl, ['pkcs12', '-export', '-in', cert, '-inkey', key, '-out', store, '-passout', `pass:${PASSWORD}`, '-name', 'broker']);
    // the broker is its own client too: it trusts what it shows
    const trust = join(folder.path, 'trust.p12');
    await run(found.keytool, ['-importcert', '-noprompt', '-alias', 'ca', '-file', cert, '-keystore', trust, '-storetype', 'PKCS12', '-storepass', PASSWORD]);
    ca = await readFile(cert, 'utf8');
    const login = (module: string): string => `org.apache.kafka.common.security.${module} required username="broker" password="${PASSWORD}"`;
    server = await KafkaServer.start(programs, {
      protocol: 'SASL_SSL',
      scram: [`SCRAM-SHA-256=[name=waybill,password=${PASSWORD}]`, `SCRAM-SHA-512=[name=waybill,password=${PASSWORD}]`],
      properties: {
        'ssl.keystore.location': store, 'ssl.keystore.password': PASSWORD, 'ssl.keystore.type': 'PKCS12',
        'ssl.truststore.location': trust, 'ssl.truststore.password': PASSWORD, 'ssl.truststore.type': 'PKCS12',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.client.plain.sasl.jaas.config': `${login('plain.PlainLoginModule')} user_broker="${PASSWORD}" user_waybill="${PASSWORD}";`,
        'listener.name.client.scram-sha-256.sasl.jaas.config': `${login('scram.ScramLoginModule')};`,
        'listener.name.client.scram-sha-512.sasl.jaas.config': `${login('scram.ScramLoginModule')};`,
      },
    });
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    await folder?.remove();
  });

  const options = (more: Partial<KafkaOptions>): KafkaOptions => ({ brokers: [server.broker], clientId: 'spec', tls: { ca }, ...more });

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('takes %s', async (mechanism) => {
    const kafka = openKafka(options({ sasl: { mechanism, username: 'waybill', password: PASSWORD } }));
    await ensureTopics(kafka, topics);
    await checkTopics(kafka, topics);
  });

  it('is refused a connection that it cannot prove, a wrong password, and none at all', async () => {
    const sasl = { mechanism: 'scram-sha-512', username: 'waybill', password: PASSWORD } as const;
    await expect(checkTopics(openKafka(options({ sasl, tls: {} })), topics)).rejects.toThrow(/self-signed|certificate/i);
    await expect(checkTopics(openKafka(options({ sasl: { ...sasl, password: 'wrong' } })), topics)).rejects.toThrow(/credentials|authentication/i);
    await expect(checkTopics(openKafka(options({ sasl: undefined })), topics)).rejects.toThrow(/connection|closed|sasl/i);
  });
});
