import { isItem } from './json.js';
import type { Item } from './json.js';

/** `expiresAt` as `EXPIRES AT`. */
function titleOf(member: string): string {
  return member.replaceAll(/[A-Z]/g, (letter) => ` ${letter}`).toUpperCase();
}

/**
 * A value as a person reads it, in one line. What others wrote must not steer the terminal or pass for something else: control characters, and those that turn the
 * direction of writing, are shown by their number.
 */
export function show(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(show).join(',');
  if (isItem(value)) return Object.values(value).map(show).join(' ');
  const text = typeof value === 'string' ? value.replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/, '$1Z') : JSON.stringify(value);
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A line for each object under a line of titles. */
export function tableOf(items: readonly Item[], columns: readonly string[]): readonly string[] {
  const rows = [columns.map(titleOf), ...items.map((item) => columns.map((column) => show(item[column])))];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows.map((row) => row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ').trimEnd());
}

/** A line for each member of one object. */
export function linesOf(item: Item, members: readonly string[]): readonly string[] {
  const width = Math.max(...members.map((member) => titleOf(member).length));
  return members.map((member) => `${titleOf(member).toLowerCase().padEnd(width)}  ${show(item[member])}`);
}
