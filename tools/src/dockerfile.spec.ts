import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord, startCommand } from '@waybill/testing';

const read = (file: string): string => readFileSync(join(process.cwd(), file), 'utf8');
const dockerfile = read('Dockerfile');

const instruction = (name: string): string => {
  const text = new RegExp(`^${name} (.*)$`, 'm').exec(dockerfile)?.[1];
  if (text === undefined) throw new Error(`There is no ${name} in Dockerfile.`);
  return text;
};

describe('the image runs what `npm start` runs', () => {
  const start = startCommand(process.cwd());

  it('with the same flags', () => {
    expect(JSON.parse(instruction('ENTRYPOINT'))).toEqual(['node', ...start.flags]);
  });

  it('in the same environment', () => {
    // nothing that was compiled is kept: the image can write nowhere
    const { NODE_COMPILE_CACHE: _, ...expected } = start.environment;
    for (const [name, value] of Object.entries(expected)) expect(dockerfile).toMatch(new RegExp(`^(ENV|   ) ${name}=${value} `, 'm'));
  });

  it('on the same major of Node', () => {
    const wanted: unknown = JSON.parse(read('package.json'));
    const node = isRecord(wanted) && isRecord(wanted['devDependencies']) ? String(wanted['devDependencies']['node']).split('.')[0] : undefined;
    expect([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)).toEqual([1, 2, 3, 4].map(() => `node:${node}-bookworm-slim`));
  });

  it('and says its version', () => {
    expect(JSON.parse(read('package.json'))).toMatchObject({ version: instruction('ARG').replace('VERSION=', '') });
  });
});
