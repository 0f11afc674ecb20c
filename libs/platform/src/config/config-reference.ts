import { type ConfigKey, listKeys } from './config-keys.js';

const HEAD = `# Configuration

Every key can stand in a YAML file, whose path \`WAYBILL_CONFIG\` gives, and in an environment variable. The environment goes over the file, and
the file over the default. An empty variable counts as not set. A secret can also be read from a file: its variable with \`_FILE\` appended
names the file. Durations are seconds, or have a unit (\`s\`, \`m\`, \`h\`, \`d\`); sizes are bytes, or have one (\`KiB\`, \`MiB\`, \`GiB\`). Lists in the environment
are separated by commas. Unknown keys and variables are refused; every fault is reported at once, and the process exits with 1.

This page is generated from the schema in \`libs/platform/src/config\` by \`npm run docs\`.
`;

/** The text of docs/reference/config.md. */
export function configReference(): string {
  const sections = new Map<string, ConfigKey[]>();
  for (const key of listKeys()) {
    const section = key.path.split('.')[0] ?? '';
    sections.set(section, [...(sections.get(section) ?? []), key]);
  }
  return [HEAD, ...[...sections].map(([section, keys]) => `## ${section}\n\n${keys.map(describe).join('\n')}\n`)].join('\n');
}

function describe(key: ConfigKey): string {
  const secret = key.notes.secret ? `, or \`${key.environment}_FILE\`` : '';
  const when = key.onlyIf === undefined ? '' : `Only where ${key.onlyIf}. `;
  const byDefault = key.required ? 'Required.' : `Default: ${key.byDefault === undefined ? 'none' : key.byDefault.includes('`') ? key.byDefault : `\`${key.byDefault}\``}.`;
  return `- \`${key.path}\` (\`${key.environment}\`${secret}): ${key.notes.text} ${when}Expects ${key.notes.form}. ${byDefault}`;
}
