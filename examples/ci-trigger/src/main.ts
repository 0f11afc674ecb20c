import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';
import type { Tracing } from './tracing.js';
import { matches, parseEvent, Repetitions, tagMove, type TagMove } from './trigger.js';

const USAGE = `ci-trigger --brokers HOST:PORT[,HOST:PORT] --match 'acme/app:release-*' [--topic waybill.events.v1] [--group ci-trigger] [--from-beginning] -- COMMAND [ARGUMENTS]
Runs COMMAND each time a matching tag moves, with REPOSITORY, TAG, DIGEST and EVENT_ID in its environment. With OTEL_EXPORTER_OTLP_ENDPOINT each
build is told to that collector, in the trace of the push, and COMMAND gets the TRACEPARENT to go on from.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    brokers: { type: 'string' },
    match: { type: 'string' },
    topic: { type: 'string', default: 'waybill.events.v1' },
    group: { type: 'string', default: 'ci-trigger' },
    'from-beginning': { type: 'boolean', default: false },
  },
});
const { brokers, match: pattern, topic, group } = values;
const [command, ...commandArguments] = positionals;
if (brokers === undefined || pattern === undefined || command === undefined) {
  console.error(USAGE);
  process.exit(2);
}
const endpoint = process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
const tracing: Tracing | undefined = endpoint === undefined ? undefined : (await import('./tracing.js')).openTracing(endpoint);
const build = (move: TagMove, traceparent: unknown): Promise<void> => {
  const work = (parent?: string): Promise<void> => run(command, commandArguments, { ...move, traceparent: parent });
  return tracing === undefined ? work() : tracing.build(move, traceparent, work);
};

const consumer = new kafkajs.Kafka({ clientId: 'ci-trigger', brokers: brokers.split(',') }).consumer({ groupId: group });
const repetitions = new Repetitions();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void consumer.disconnect().then(() => tracing?.stop()).then(() => process.exit(0)));

await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: values['from-beginning'] });
await consumer.run({
  // the offset moves after the build was started: a crash in between starts it again, with the same EVENT_ID
  eachMessage: async ({ partition, message }) => {
    if (message.value === null) return;
    const event = parseEvent(message.value.toString());
    const move = tagMove(event);
    if (!repetitions.isNew(partition, event) || move === undefined || !matches(pattern, move)) return;
    console.log(`${move.repository}:${move.tag} is ${move.digest} now: building`);
    await build(move, event['traceparent']);
  },
});

/** Resolves when the command has ended, whatever its exit code: a build that fails must not hold up those behind it. */
function run(program: string, programArguments: readonly string[], { id, repository, tag, digest, traceparent }: TagMove & { readonly traceparent: string | undefined }): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArguments, { stdio: 'inherit', env: { ...process.env, EVENT_ID: id, REPOSITORY: repository, TAG: tag, DIGEST: digest, ...(traceparent && { TRACEPARENT: traceparent }) } });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code !== 0) console.error(`the build of ${repository}:${tag} ended with ${code}`);
      resolve();
    });
  });
}
