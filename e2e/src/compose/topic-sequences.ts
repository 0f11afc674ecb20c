/**
 * A program for the container of the relay, which reaches Kafka: reads the whole topic of events with plain kafkajs and prints how many of the log's
 * numbers are missing up to the last one that the relay knows, and how often a number came out of order in its partition once repetitions are dropped.
 * It waits for up to two minutes until Kafka has everything.
 */
export const TOPIC_SEQUENCES = `
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';

const metric = async (name) => Number(new RegExp('^' + name + ' (\\\\d+)', 'm').exec(await (await fetch('http://127.0.0.1:5001/metrics')).text())?.[1]);
for (let tries = 0; tries < 120 && (await metric('waybill_relay_lag_events')) !== 0; tries += 1) await delay(1000);
const last = await metric('waybill_log_last_seq');

const consumer = new Kafka({ brokers: [process.env.WAYBILL_KAFKA_BROKERS], logLevel: logLevel.NOTHING }).consumer({ groupId: 'e2e-' + process.hrtime.bigint() });
const [seen, lastOf] = [new Set(), new Map()];
let disorder = 0;
await consumer.connect();
await consumer.subscribe({ topic: 'waybill.events.v1', fromBeginning: true });
await consumer.run({
  eachMessage: async ({ partition, message }) => {
    const sequence = Number(JSON.parse(message.value.toString()).sequence);
    if (seen.has(sequence)) return;
    if (sequence < (lastOf.get(partition) ?? 0)) disorder += 1;
    lastOf.set(partition, sequence);
    seen.add(sequence);
  },
});
for (let tries = 0; tries < 60 && seen.size < last; tries += 1) await delay(500);
await consumer.disconnect();
let missing = 0;
for (let sequence = 1; sequence <= last; sequence += 1) if (!seen.has(sequence)) missing += 1;
console.log(JSON.stringify({ missing, disorder, events: seen.size, last, lag: await metric('waybill_relay_lag_events') }));
`;
