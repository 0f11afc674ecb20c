import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@waybill/platform';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..', '..');
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8');
const ADMIN = 'WAYBILL_ADMIN_PASSWORD';

/** Every text of a document that stands under a key which says that it is a password. */
function passwordsIn(value: unknown, key = ''): string[] {
  if (typeof value === 'string') return /password/i.test(key) && value !== '' ? [`${key}: ${value}`] : [];
  return typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([name, one]) => passwordsIn(one, name)) : [];
}

describe('CVE-2026-4404: there is no password of the admin that everybody knows', () => {
  it('in the configuration: without one a random one is made', async () => {
    expect((await loadConfig({})).admin.password).toBeUndefined();
  });

  it('in the example for compose, which sets none, and in what compose gives to containers', () => {
    expect(read('.env.example').split('\n').filter((line) => line.includes(ADMIN))).toEqual([`#${ADMIN}=`]);
    const given = [...read('docker-compose.yml').matchAll(new RegExp(`${ADMIN}\\w*: *(.*)`, 'g'))].map(([, value]) => value);
    expect(given).toEqual(['${WAYBILL_ADMIN_PASSWORD-}']);
  });

  it('in the values of the chart, nor in a template, which takes it from a Secret that somebody else makes', () => {
    const chart = ['deploy', 'helm', 'waybill'] as const;
    expect(passwordsIn(parse(read(...chart, 'values.yaml')))).toEqual([]);
    for (const file of readdirSync(join(root, ...chart, 'templates'))) {
      const text = read(...chart, 'templates', file);
      expect([file, text.match(new RegExp(`${ADMIN}\\w*`, 'g')) ?? []]).toEqual([file, file === '_auth.tpl' ? [`${ADMIN}_FILE`] : []]);
      expect([file, /kind: Secret$/m.test(text)]).toEqual([file, false]);
    }
  });

  it('in the image and in how it is started', () => {
    for (const text of [read('Dockerfile'), read('package.json')]) expect(text).not.toContain('ADMIN_PASSWORD');
  });
});
