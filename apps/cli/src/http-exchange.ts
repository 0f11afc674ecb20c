import { readFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { CommandFailed } from './exit-code.js';

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Certificates that are trusted beside those that Node trusts already. */
  readonly caFile: string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** Of a redirect. */
  readonly location: string | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;
}

/** Without a byte for so long, nobody is there. A password is checked slowly on purpose, and a server that is being attacked has a queue. */
const SILENCE = 60_000;
const MAX_ANSWER = 256 * 1024 * 1024;

/**
 * One request and its answer. Redirects are not followed: credentials go where they were meant to go.
 * @throws whatever Node says of a connection that fails; CommandFailed usage for a file of certificates that cannot be read
 */
export async function exchange(request: HttpRequest): Promise<HttpAnswer> {
  return collect(await openExchange(request));
}

/** As `exchange`, with the answer as it comes: what breaks it off is thrown to whoever reads it. */
export async function openExchange({ method, url, headers, body, caFile }: HttpRequest): Promise<IncomingMessage> {
  const send = url.startsWith('https:') ? await secureSend(caFile) : (await import('node:http')).request;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const request = send(url, { method, headers: { ...headers, ...length, 'User-Agent': 'waybill' }, timeout: SILENCE }, resolve);
    request.on('timeout', () => request.destroy(new Error(`no answer within ${SILENCE / 1000} s`)));
    request.on('error', reject);
    request.end(body);
  });
}

type Send = (url: string, options: RequestOptions, answered: (answer: IncomingMessage) => void) => ClientRequest;

async function secureSend(caFile: string | undefined): Promise<Send> {
  const { request } = await import('node:https');
  if (caFile === undefined) return request;
  const { getCACertificates } = await import('node:tls');
  const ca = [...getCACertificates('default'), readCertificates(caFile)];
  return (url, options, answered) => request(url, { ...options, ca }, answered);
}

function readCertificates(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    throw new CommandFailed('usage', `the certificates to trust cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new CommandFailed('usage', `${file} holds no certificate in PEM`);
}

/** All of an answer that fits into memory. */
export async function collect(answer: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Error(`the answer has more than ${MAX_ANSWER} bytes`);
  }
  const seconds = Number(answer.headers['retry-after'] ?? '');
  return {
    status: answer.statusCode ?? 0,
    text: Buffer.concat(chunks).toString('utf8'),
    location: answer.headers.location,
    retryAfter: answer.headers['retry-after'] === undefined || !Number.isFinite(seconds) ? undefined : seconds,
  };
}
