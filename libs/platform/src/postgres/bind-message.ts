const BIND = 0x42;
const NULL = -1;

/**
 * The messages that run a prepared statement, as one buffer so that they cost one write: Bind of its unnamed portal, then `rest`.
 * @param head by bindHead
 * @param rest what follows the parameters: the formats of the results, then the next messages
 */
export function bindMessage(head: Buffer, values: readonly unknown[], rest: Buffer): Buffer {
  const parameters = values.map(parameter);
  let size = head.length + 4 + rest.length;
  let binary = false;
  for (const value of parameters) {
    size += 4;
    if (typeof value === 'string') size += Buffer.byteLength(value);
    else if (value !== null) {
      size += value.length;
      binary = true;
    }
  }
  // no formats at all say that every parameter is text
  const message = Buffer.allocUnsafe(size + (binary ? 2 * parameters.length : 0));
  let at = head.copy(message);
  at = message.writeInt16BE(binary ? parameters.length : 0, at);
  if (binary) for (const value of parameters) at = message.writeInt16BE(value instanceof Buffer ? 1 : 0, at);
  at = message.writeInt16BE(parameters.length, at);
  for (const value of parameters) {
    if (value === null) {
      at = message.writeInt32BE(NULL, at);
      continue;
    }
    const written = typeof value === 'string' ? message.write(value, at + 4) : value.copy(message, at + 4);
    at = message.writeInt32BE(written, at) + written;
  }
  message.writeInt32BE(at + RESULT_FORMATS - 1, 1);
  rest.copy(message, at);
  return message;
}

/** Bytes of `rest` that belong to Bind itself. */
const RESULT_FORMATS = 2;

/** The beginning of Bind up to the parameters; its length is filled in. */
export function bindHead(name: string): Buffer {
  return Buffer.concat([Buffer.from([BIND, 0, 0, 0, 0, 0]), Buffer.from(`${name}\0`)]);
}

/**
 * A value as the server reads it: text, bytes or null. As the driver does it, but for a Date, which goes as UTC: the same moment in a timestamptz,
 * and no other type takes one here. Throws for what has no such form.
 */
export function parameter(value: unknown): string | Buffer | null {
  switch (typeof value) {
    case 'string': return value;
    case 'number': case 'boolean': case 'bigint': return String(value);
    case 'undefined': return null;
    case 'object': break;
    default: throw new TypeError(`A ${typeof value} is no parameter of a statement.`);
  }
  if (value === null || value instanceof Buffer) return value;
  if (Array.isArray(value)) return arrayLiteral(value);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return bytesOf(value);
  return JSON.stringify(value);
}

function arrayLiteral(items: readonly unknown[]): string {
  return `{${items.map(arrayItem).join(',')}}`;
}

function arrayItem(item: unknown): string {
  if (Array.isArray(item)) return arrayLiteral(item);
  const value = parameter(item);
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return `\\\\x${value.toString('hex')}`;
  return /["\\]/.test(value) ? `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : `"${value}"`;
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
