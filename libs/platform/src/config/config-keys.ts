import { z } from 'zod';
import { CONFIG_TREE } from './config-tree.js';
import { KEY_NOTES, type KeyNotes } from './config-values.js';

/** One key of the tree, as the reference, the environment and the faults know it. */
export interface ConfigKey {
  /** Its name in the file: http.address */
  readonly path: string;
  /** Its name in the environment: WAYBILL_HTTP_ADDRESS */
  readonly environment: string;
  readonly notes: KeyNotes;
  /** Undefined where there is none. */
  readonly byDefault: string | undefined;
  readonly required: boolean;
  /** The choices that make it apply, such as "storage.driver is s3". */
  readonly onlyIf: string | undefined;
}

/** http.maxHeaderBytes -> WAYBILL_HTTP_MAX_HEADER_BYTES */
export function environmentName(path: string): string {
  return `WAYBILL_${path.replaceAll('.', '_').replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase()}`;
}

/** All keys in the order of the tree; a key that several choices have is named once. */
export function listKeys(): ConfigKey[] {
  const keys = new Map<string, ConfigKey>();
  for (const key of walk(CONFIG_TREE, '', undefined)) {
    const before = keys.get(key.path);
    keys.set(key.path, before === undefined ? key : { ...key, onlyIf: eitherOf(before.onlyIf, key.onlyIf) });
  }
  return [...keys.values()];
}

function eitherOf(one: string | undefined, other: string | undefined): string | undefined {
  return one === undefined || other === undefined ? undefined : `${one} or ${other.replace(/^(\S+ is )/, (own) => (one.startsWith(own) ? '' : own))}`;
}

function walk(schema: z.core.$ZodType, path: string, onlyIf: string | undefined): ConfigKey[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([name, child]) => (isDiscriminator(child) ? [] : walk(child, path === '' ? name : `${path}.${name}`, onlyIf)));
  }
  if (inner instanceof z.ZodDiscriminatedUnion) return walkChoices(inner, schema, path, onlyIf);
  const notes = KEY_NOTES.get(schema);
  if (notes === undefined) throw new Error(`The key ${path} has no notes.`);
  const byDefault = schema instanceof z.ZodPrefault ? showDefault(schema.def.defaultValue) : undefined;
  return [{ path, environment: environmentName(path), notes, byDefault: notes.otherwise ?? byDefault, required: byDefault === undefined && !(schema instanceof z.ZodOptional), onlyIf }];
}

function walkChoices(union: z.ZodDiscriminatedUnion, outer: z.core.$ZodType, path: string, onlyIf: string | undefined): ConfigKey[] {
  const name = union.def.discriminator;
  const own = `${path}.${name}`;
  const choices = union.options.map((option) => (option instanceof z.ZodObject ? literal(option.shape[name]) : ''));
  const notes = { form: choices.join(' or ').replace(/ or (?=.* or )/g, ', '), text: 'Chooses which of the following keys apply.' };
  const byDefault = outer instanceof z.ZodPrefault ? String(Reflect.get(Object(outer.def.defaultValue), name)) : undefined;
  const chooser = { path: own, environment: environmentName(own), notes, byDefault, required: false, onlyIf };
  return [chooser, ...union.options.flatMap((option, i) => walk(option, path, [onlyIf, `${own} is ${choices[i]}`].filter((part) => part !== undefined).join(' and ')))];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

function isDiscriminator(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodLiteral;
}

function literal(schema: unknown): string {
  return schema instanceof z.ZodLiteral ? String(schema.value) : '';
}

function showDefault(value: unknown): string {
  return Array.isArray(value) ? 'empty' : String(value);
}
