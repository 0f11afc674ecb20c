import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { type ConfigKey, listKeys } from './config-keys.js';
import { CONFIG_TREE, completeConfig, type Config, crossFaults } from './config-tree.js';

/** The configuration has faults; the message lists all of them in plain words. The program should print it and exit with 1. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused';

  constructor(readonly faults: readonly string[]) {
    super(`The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

interface Tree {
  [name: string]: unknown;
}

/** What is chosen where some of its keys are given and the choice itself is not. */
const CHOICES = [['storage', 'driver', 'filesystem'], ['auth', 'mode', 'none']] as const;

/** Read by scripts and tests, not by the registry. */
const NOT_OURS = /^WAYBILL_(TEST|TOOLS)_/;

/**
 * Environment over the file that WAYBILL_CONFIG names over defaults. An empty variable counts as not set. Throws ConfigRefused with every
 * fault at once: values of the wrong form, missing ones, unknown keys and unknown WAYBILL_ variables. Values of secrets are never shown.
 */
export async function loadConfig(environment: Environment): Promise<Config> {
  const keys = listKeys();
  const faults: string[] = [];
  const tree = await readFile(environment['WAYBILL_CONFIG'], faults);
  readEnvironment(environment, keys, tree, faults);
  for (const [name, chooser, usual] of CHOICES) {
    const chosen = tree[name];
    if (isTree(chosen)) chosen[chooser] ??= usual;
  }
  const parsed = CONFIG_TREE.safeParse(tree);
  if (!parsed.success) faults.push(...parsed.error.issues.flatMap((issue) => describeIssue(issue, tree, keys)));
  else faults.push(...crossFaults(parsed.data));
  if (faults.length > 0 || !parsed.success) throw new ConfigRefused(faults);
  return completeConfig(parsed.data);
}

async function readFile(path: string | undefined, faults: string[]): Promise<Tree> {
  if (path === undefined || path === '') return {};
  try {
    // only where there is a file: the parser costs 5 MB
    const { parse } = await import('yaml');
    const content: unknown = parse(readFileSync(path, 'utf8'));
    const tree = withoutNulls(content ?? {});
    if (isTree(tree)) return tree;
    faults.push(`The file ${path} that WAYBILL_CONFIG names holds no keys; expected lines like "http: {address: 127.0.0.1:5000}"`);
  } catch (error) {
    faults.push(`The file ${path} that WAYBILL_CONFIG names cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {};
}

function readEnvironment(environment: Environment, keys: readonly ConfigKey[], tree: Tree, faults: string[]): void {
  const known = new Set(['WAYBILL_CONFIG']);
  for (const key of keys) {
    known.add(key.environment);
    let value = environment[key.environment] || (key.path === 'database.url' ? environment['DATABASE_URL'] : undefined);
    const fileVariable = `${key.environment}_FILE`;
    const file = key.notes.secret ? environment[fileVariable] : undefined;
    if (key.notes.secret) known.add(fileVariable);
    if (file && environment[key.environment]) faults.push(`${key.environment} and ${fileVariable} are both set; set one of them`);
    else if (file) value = readSecret(file, fileVariable, faults);
    if (value) put(tree, key.path.split('.'), value);
  }
  const names = [...known];
  for (const name of Object.keys(environment)) {
    if (name.startsWith('WAYBILL_') && !known.has(name) && !NOT_OURS.test(name)) faults.push(`The environment variable ${name} is not known${hint(name, names)}`);
  }
}

function readSecret(file: string, variable: string, faults: string[]): string | undefined {
  try {
    const value = readFileSync(file, 'utf8').trim();
    if (value === '') faults.push(`The file ${file} that ${variable} names is empty`);
    return value;
  } catch (error) {
    faults.push(`The file ${file} that ${variable} names cannot be read: ${String(error)}`);
    return undefined;
  }
}

function describeIssue(issue: z.core.$ZodIssue, tree: Tree, keys: readonly ConfigKey[]): string[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((name) => describeUnknown(path === '' ? name : `${path}.${name}`, keys));
  const key = keys.find((candidate) => candidate.path === path);
  if (key === undefined) return [`${path} is ${show(get(tree, issue.path))}; expected keys below it, such as ${keys.find((candidate) => candidate.path.startsWith(`${path}.`))?.path ?? 'http.address'}`];
  const value = get(tree, issue.path);
  const condition = key.onlyIf === undefined ? '' : ` where ${key.onlyIf}`;
  if (value === undefined) return [`${path} (${key.environment}) is missing${condition}; expected ${key.notes.form}`];
  return [`${path} (${key.environment}) is ${key.notes.secret ? 'not of the right form' : show(value)}; expected ${key.notes.form}`];
}

function describeUnknown(path: string, keys: readonly ConfigKey[]): string {
  const key = keys.find((candidate) => candidate.path === path || candidate.path.startsWith(`${path}.`));
  if (key?.onlyIf !== undefined) return `${path}${key.path === path ? ` (${key.environment})` : ''} is set, but applies only where ${key.onlyIf}`;
  return `The key ${path} is not known${hint(path, keys.map((candidate) => candidate.path))}`;
}

/** The nearest known name, where one is near. */
function hint(name: string, known: readonly string[]): string {
  const [nearest] = known.map((candidate) => ({ candidate, far: distance(name, candidate) })).sort((a, b) => a.far - b.far);
  return nearest !== undefined && nearest.far <= Math.max(2, name.length / 5) ? `; did you mean ${nearest.candidate}?` : '';
}

/** Levenshtein's: letters to insert, remove or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function put(tree: Tree, [name, ...rest]: readonly string[], value: unknown): void {
  if (name === undefined) return;
  if (rest.length === 0) {
    tree[name] = value;
    return;
  }
  const below = tree[name];
  const child: Tree = isTree(below) ? below : {};
  tree[name] = child;
  put(child, rest, value);
}

function get(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, name) => (isTree(at) ? at[String(name)] : undefined), tree);
}

/** A key without a value in YAML is null, and means that it is not set. */
function withoutNulls(value: unknown): unknown {
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, child]) => child !== null).map(([name, child]) => [name, withoutNulls(child)]));
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : JSON.stringify(value);
}
