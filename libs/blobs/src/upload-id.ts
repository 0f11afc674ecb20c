import { hash, randomUUID, timingSafeEqual } from 'node:crypto';
import { uploadUnknown } from '@waybill/oci';
import type { DigestAlgorithm, RepositoryName } from '@waybill/oci';
import type { UploadKey } from './upload-key.js';

/** Whose upload: an id opens a session only together with the repository and the principal that it was given to (CVE-2026-32589). */
export interface UploadOwner {
  /** As it stands in the URL. */
  readonly upload: string;
  /** The row's key. */
  readonly id: string;
  readonly repository: RepositoryName;
  readonly principal: string;
  readonly startedAt: Date;
  readonly algorithm: DigestAlgorithm;
}

const RANDOM = 16;
const TIME = 6;
const MAC = 16;
/** Of SHA-256, in bytes. */
const BLOCK = 64;
const ALGORITHMS = ['sha256', 'sha512'] as const;

/**
 * Ids of upload sessions: 122 random bits, the moment, the announced algorithm, and a code over these, the repository and the principal.
 * Whoever shares the key reads back what an id says, so opening a session writes nothing.
 *
 *   base64url( random 16 | milliseconds 6 | algorithm 1 | HMAC-SHA-256, first 16 )
 */
export class UploadIds {
  private readonly inner: Buffer;
  private readonly outer: Buffer;

  constructor(private readonly key: UploadKey) {
    this.inner = Buffer.alloc(BLOCK, 0x36);
    this.outer = Buffer.alloc(BLOCK, 0x5c);
    for (const [i, byte] of key.secret.subarray(0, BLOCK).entries()) {
      this.inner[i] = 0x36 ^ byte;
      this.outer[i] = 0x5c ^ byte;
    }
  }

  make(repository: RepositoryName, principal: string, algorithm: DigestAlgorithm, now = Date.now() + this.key.clockOffset): UploadOwner {
    // a random UUID: the row's key is one
    const body = Buffer.alloc(RANDOM + TIME + 1);
    body.write(randomUUID().replaceAll('-', ''), 'hex');
    body.writeUIntBE(now, RANDOM, TIME);
    body[RANDOM + TIME] = ALGORITHMS.indexOf(algorithm);
    return owner(Buffer.concat([body, this.code(body, repository, principal)]).toString('base64url'), body, repository, principal);
  }

  /** @throws OciError BLOB_UPLOAD_UNKNOWN for an id that was not made here, or was made for another repository or principal */
  parse(upload: string, repository: RepositoryName, principal: string): UploadOwner {
    const bytes = Buffer.from(upload, 'base64url');
    const body = bytes.subarray(0, RANDOM + TIME + 1);
    const code = bytes.subarray(RANDOM + TIME + 1);
    // the text is compared too: base64 ignores stray bits and characters, and a session has one name
    if (code.length !== MAC || bytes.toString('base64url') !== upload || !timingSafeEqual(code, this.code(body, repository, principal))) throw uploadUnknown();
    return owner(upload, body, repository, principal);
  }

  /** HMAC by its definition (RFC 2104): two one-shot hashes take a sixth of what an Hmac object takes, three times an upload. */
  private code(body: Buffer, repository: RepositoryName, principal: string): Buffer {
    const message = Buffer.concat([this.inner, body, Buffer.from(`${repository}\0${principal}`)]);
    return hash('sha256', Buffer.concat([this.outer, hash('sha256', message, 'buffer')]), 'buffer').subarray(0, MAC);
  }
}

function owner(upload: string, body: Buffer, repository: RepositoryName, principal: string): UploadOwner {
  const hex = body.toString('hex', 0, RANDOM);
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  const algorithm = ALGORITHMS[body[RANDOM + TIME] ?? -1];
  if (algorithm === undefined) throw uploadUnknown();
  return { upload, id, repository, principal, startedAt: new Date(body.readUIntBE(RANDOM, TIME)), algorithm };
}
