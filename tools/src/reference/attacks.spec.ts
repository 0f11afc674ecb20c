import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(root, 'docs', 'reference', 'attacks.md'), 'utf8');

/** Every advisory of the protocol requirements, section 7. */
const ADVISORIES = [
  'CVE-2021-41190', 'GHSA-mc8v-mgrf-8f4m', 'GHSA-77vh-xpmg-72qh', 'GHSA-qq97-vm5h-rrhg', 'CVE-2017-11468', 'CVE-2023-2253', 'GHSA-hqxw-f8mx-cpmw', 'CVE-2025-24976', 'GHSA-phw4-mc57-4hwc',
  'CVE-2026-33540', 'GHSA-3p65-76g6-3w7r', 'CVE-2026-35172', 'GHSA-f2g3-hh2r-cwgc', 'CVE-2024-39897', 'GHSA-55r9-5mx9-qq7r', 'CVE-2025-23208', 'GHSA-c9p4-xwr9-rfhx', 'CVE-2026-31801', 'GHSA-85jx-fm8m-x8c6',
  'CVE-2026-32589', 'CVE-2026-32591', 'CVE-2026-2376', 'CVE-2025-4374', 'PROJQUAY-11190', 'CVE-2019-16097', 'CVE-2019-16919', 'GHSA-x2r2-w9c7-h624', 'CVE-2019-19025', 'GHSA-rffr-c932-cpxv',
  'CVE-2020-13788', 'GHSA-33p6-fx42-7rf5', 'CVE-2022-31667', 'GHSA-xx9w-464f-7h6f', 'CVE-2022-31669', 'CVE-2022-31670', 'GHSA-3637-v6vq-xqqw', 'CVE-2024-22278', 'GHSA-hw28-333w-qxp3',
  'GHSA-f9vc-vf3r-pqqq', 'CVE-2026-4404', 'GHSA-hj7x-hmf2-hc2p', 'CVE-2022-46463', 'CVE-2026-48978', 'GHSA-xf85-363p-868w', 'CVE-2026-50151', 'GHSA-jxpm-75mh-9fp7',
];

interface Line {
  readonly section: string;
  readonly text: string;
  readonly cells: readonly string[];
}

/** The lines of the tables, without their heads. */
function linesOf(text: string): readonly Line[] {
  return text.split('\n## ').slice(1).flatMap((part) => {
    const [section = '', ...lines] = part.split('\n');
    return lines.filter((line) => line.startsWith('| ') && !line.endsWith('| shown by |')).map((line) => ({ section, text: line, cells: line.slice(2, -2).split(' | ') }));
  });
}

/** What the last cell of a line names, as `file`: title of a test. */
function testOf({ cells }: Line): { readonly file: string; readonly title: string } | undefined {
  const [, file, title] = /^`([^`]+\.ts)`: (.+)$/.exec(cells.at(-1) ?? '') ?? [];
  return file === undefined || title === undefined ? undefined : { file, title };
}

/** Whether the title is that of a test or a group: quoted, and after what declares one. */
function declares(source: string, title: string): boolean {
  const text = source.replaceAll(String.raw`\'`, "'");
  return [`'${title}'`, `\`${title}\``].some((quoted) => text.split(quoted).slice(0, -1).some((before) => /(?:\b(?:it|test|describe)|\))\($/.test(before.slice(-20))));
}

describe('the page of attacks', () => {
  const lines = linesOf(page);

  it('names a test in every line, or the feature with which one comes', () => {
    expect(lines.filter((line) => testOf(line) === undefined && !/^comes with [a-z]/i.test(line.cells.at(-1) ?? '')).map(({ text }) => text)).toEqual([]);
    expect(lines.length).toBeGreaterThan(120);
  });

  it.each(['7', '8', '9', '10', '11', '12', '13'])('has lines for point %s, most of them tested', (point) => {
    const own = lines.filter(({ section }) => section.startsWith(`${point} `));
    expect(own.filter((line) => testOf(line) !== undefined).length).toBeGreaterThanOrEqual(Math.max(4, own.length / 2 - 1));
  });

  it('has a line for every advisory, and for no other', () => {
    const named = lines.filter(({ section }) => section === 'Advisories').flatMap(({ cells }) => cells[0]?.split(', ') ?? []);
    expect([...new Set(named)].toSorted()).toEqual(ADVISORIES.toSorted());
  });

  it.each(lines.flatMap((line) => testOf(line) ?? []))('names a test that $file has: $title', ({ file, title }) => {
    expect(existsSync(join(root, file))).toBe(true);
    expect(declares(readFileSync(join(root, file), 'utf8'), title)).toBe(true);
  });
});
