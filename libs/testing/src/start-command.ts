import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How a checkout runs its registry. */
export interface StartCommand {
  /** Flags of Node, before the program. */
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const START = /exec (?:env (?<environment>\S+=\S+(?: \S+=\S+)*) )?node_modules\/\.bin\/node (?<flags>.*?) ?apps\/registry\/dist\/main\.js/;

/** Reads the flags and the environment out of a checkout's `npm start`, so that what is tested and measured is what people run. */
export function startCommand(checkout: string): StartCommand {
  const text = readFileSync(join(checkout, 'package.json'), 'utf8').replaceAll('\\"', '').replaceAll('$PWD', checkout);
  const found = START.exec(text)?.groups;
  if (found === undefined) throw new Error(`${join(checkout, 'package.json')}: expected a start script that ends in "exec [env NAME=VALUE ...] node_modules/.bin/node [flags] apps/registry/dist/main.js"`);
  const settings = (found['environment'] ?? '').split(' ').filter((setting) => setting !== '');
  return {
    flags: (found['flags'] ?? '').split(' ').filter((flag) => flag !== ''),
    environment: Object.fromEntries(settings.map((setting) => [setting.slice(0, setting.indexOf('=')), setting.slice(setting.indexOf('=') + 1)])),
  };
}
