import { cloudEventSchema, cloudEventType, dataSchema } from '@waybill/event-log/kafka';
import { eventJsonSchemas } from '@waybill/events';
import type { ReferencePage } from './pages.js';

/** JSON Schema 2020-12 of the data of every event, of the CloudEvent around it, and the list of them. */
export function eventPages(): ReferencePage[] {
  const schemas = Object.entries(eventJsonSchemas());
  return [
    { file: 'events/README.md', render: () => listOf(schemas.map(([name]) => name)) },
    { file: 'events/cloudevent.json', render: () => json({ $id: 'urn:waybill:cloudevent', title: 'An event of the log as Kafka carries it', ...cloudEventSchema() }) },
    ...schemas.map(([name, schema]): ReferencePage => {
      const [type, version] = typeAndVersion(name);
      return { file: `events/${name}.json`, render: () => json({ $id: dataSchema(type, version), title: name, ...Object(schema) }) };
    }),
  ];
}

function listOf(names: readonly string[]): string {
  const rows = names.map((name) => `| \`${cloudEventType(...typeAndVersion(name))}\` | [${name}](${name}.json) |`);
  return `# Events

Every change of the registry, in the order of the log. Written by \`npm run docs\`; the schemas are JSON Schema 2020-12.

The topic of events carries CloudEvents 1.0 in structured JSON ([cloudevent.json](cloudevent.json)); \`data\` is what the schema of its type says, and
\`dataschema\` names that schema. Within a version fields are only added; whoever reads must let pass what it does not know. [The guide](../../guides/ci-triggers.md)
says how to follow the topic.

| type | schema of its data |
|---|---|
${rows.join('\n')}
`;
}

function typeAndVersion(name: string): [type: string, version: number] {
  const [type = name, version] = name.split('.v');
  return [type, Number(version)];
}

function json(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}
