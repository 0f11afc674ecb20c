import { hash, randomUUID, timingSafeEqual } from 'node:crypto';
import { parseStorageKey } from '@waybill/blob-storage';
import { uploadUnknown } from '@waybill/oci';
import type { DigestAlgorithm, RepositoryName } from '@waybill/oci';
import type { UploadKey } from './upload-key.js';
import type { Segment } from './upload-session-table.js';

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
  /** The bytes that the upload had when this id was given out, of which there may be no row. */
  readonly held: Segment | undefined;
  /** How many bytes the upload's row had when this id was given out. What follows in an order that is not stated begins there, and nowhere else. */
  readonly stood: number | undefined;
  /** The same upload by an id that says nothing of how far it got: for a client that is told where it stands. */
  readonly bare: string;
}

const RANDOM = 16;
const TIME = 6;
const FIXED = RANDOM + TIME + 1;
const KEY = 16;
const SIZE = 3;
const STOOD = 6;
const MAC = 16;
const BARE = FIXED + MAC;
/** Of SHA-256, in bytes. */
const BLOCK = 64;
const ALGORITHMS = ['sha256', 'sha512'] as const;
/** Ids that are remembered: a client sends the one that it was given a moment ago. */
const REMEMBERED = 1000;

/**
 * Ids of upload sessions: 122 random bits, the moment, the announced algorithm, and a code over these, the repository and the principal.
 * Whoever shares the key reads back what an id says, so opening a session writes nothing.
 *
 * After a small PATCH that has no row (LocalUploads) the id says besides which object the bytes are and how many. After any other PATCH it says how many
 * bytes the row had: rows do not wait for the disk, and one that a crash of the database took back must not be taken for an upload of that length
 * (ADR 0027).
 *
 *   bare   base64url( random 16 | milliseconds 6 | algorithm 1 | HMAC-SHA-256, first 16 )
 *   held   base64url( random 16 | milliseconds 6 | algorithm 1 | storage key 16 | bytes 3 | HMAC-SHA-256, first 16 )
 *   stood  base64url( bare | bytes 6 | HMAC-SHA-256, first 16 )
 */
export class UploadIds {
  private readonly inner: Buffer;
  private readonly outer: Buffer;
  /** The latest that were made here: what their codes would prove is known of them. */
  private readonly made = new Map<string, UploadOwner>();

  constructor(private readonly key: UploadKey) {
    this.inner = Buffer.alloc(BLOCK, 0x36);
    this.outer = Buffer.alloc(BLOCK, 0x5c);
    for (const [i, byte] of key.secret.subarray(0, BLOCK).entries()) {
      this.inner[i] = 0x36 ^ byte;
      this.outer[i] = 0x5c ^ byte;
    }
  }

  make(repository: RepositoryName, principal: string, algorithm: DigestAlgorithm, now = this.key.clock.now()): UploadOwner {
    // a random UUID: the row's key is one
    const body = Buffer.alloc(FIXED);
    body.write(randomUUID().replaceAll('-', ''), 'hex');
    body.writeUIntBE(now, RANDOM, TIME);
    body[RANDOM + TIME] = ALGORITHMS.indexOf(algorithm);
    return this.remember(owner(this.sign(body, repository, principal), body, repository, principal));
  }

  /** The same upload under an id that also says what it holds. */
  holding(upload: UploadOwner, segment: Segment): UploadOwner {
    const body = Buffer.alloc(FIXED + KEY + SIZE);
    body.write(upload.upload, 'base64url');                  // as much of it as goes before the code that the next lines write over
    body.write(segment.key.replaceAll('-', ''), FIXED, 'hex');
    body.writeUIntBE(segment.size, FIXED + KEY, SIZE);
    const held = this.sign(body, upload.repository, upload.principal);
    return this.remember({ ...upload, upload: held, held: segment, stood: undefined, bare: held });
  }

  /** The same upload under an id that also says how many bytes its row has. */
  standing(upload: UploadOwner, size: number): UploadOwner {
    // one that says which bytes it holds does not know the bare id, and says enough
    if (upload.held !== undefined || size === upload.stood) return upload;
    const body = Buffer.alloc(BARE + STOOD);
    body.write(upload.bare, 'base64url');
    body.writeUIntBE(size, BARE, STOOD);
    return this.remember({ ...upload, upload: this.sign(body, upload.repository, upload.principal), stood: size });
  }

  /** @throws OciError BLOB_UPLOAD_UNKNOWN for an id that was not made here, or was made for another repository or principal */
  parse(upload: string, repository: RepositoryName, principal: string): UploadOwner {
    const known = this.made.get(upload);
    if (known !== undefined && known.repository === repository && known.principal === principal) return known;
    const bytes = Buffer.from(upload, 'base64url');
    const body = bytes.subarray(0, -MAC);
    const code = bytes.subarray(-MAC);
    // the text is compared too: base64 ignores stray bits and characters, and a session has one name
    if (!KINDS.has(body.length) || bytes.toString('base64url') !== upload
      || !timingSafeEqual(code, this.code(body, repository, principal))) throw uploadUnknown();
    return owner(upload, body, repository, principal);
  }

  private remember(upload: UploadOwner): UploadOwner {
    this.made.set(upload.upload, upload);
    if (this.made.size > REMEMBERED) {
      const oldest = this.made.keys().next();
      if (!oldest.done) this.made.delete(oldest.value);
    }
    return upload;
  }

  private sign(body: Buffer, repository: RepositoryName, principal: string): string {
    return Buffer.concat([body, this.code(body, repository, principal)]).toString('base64url');
  }

  /** HMAC by its definition (RFC 2104): two one-shot hashes take a sixth of what an Hmac object takes, three times an upload. */
  private code(body: Buffer, repository: RepositoryName, principal: string): Buffer {
    // the kinds are told apart: else the beginning of a repository's name could be read as key and size
    const message = Buffer.concat([this.inner, body, Buffer.from(`${repository}\0${principal}${KINDS.get(body.length) ?? ''}`)]);
    return hash('sha256', Buffer.concat([this.outer, hash('sha256', message, 'buffer')]), 'buffer').subarray(0, MAC);
  }
}

/** By the length of what is signed. */
const KINDS: ReadonlyMap<number, string> = new Map([[FIXED, ''], [FIXED + KEY + SIZE, '\0held'], [BARE + STOOD, '\0stood']]);

function owner(upload: string, body: Buffer, repository: RepositoryName, principal: string): UploadOwner {
  const algorithm = ALGORITHMS[body[RANDOM + TIME] ?? -1];
  if (algorithm === undefined) throw uploadUnknown();
  const stands = body.length === BARE + STOOD;
  return {
    upload, id: uuidAt(body, 0), repository, principal, startedAt: new Date(body.readUIntBE(RANDOM, TIME)), algorithm, held: heldBy(body),
    stood: stands ? body.readUIntBE(BARE, STOOD) : undefined,
    bare: stands ? body.toString('base64url', 0, BARE) : upload,
  };
}

function heldBy(body: Buffer): Segment | undefined {
  if (body.length !== FIXED + KEY + SIZE) return undefined;
  return { key: parseStorageKey(uuidAt(body, FIXED)), size: body.readUIntBE(FIXED + KEY, SIZE) };
}

function uuidAt(body: Buffer, at: number): string {
  const hex = body.toString('hex', at, at + RANDOM);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
