import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** The only layout so far: 1 byte of this version, 12 of nonce, 16 of tag, then the encrypted bytes. */
const VERSION = 1;
const [NONCE, TAG] = [12, 16];

/**
 * Encrypts what stands in the database and signs tokens: AES-256-GCM, by a key that is derived from a secret of the deployment (HKDF-SHA-256). Whoever
 * reads the database alone can sign nothing. What was encrypted for one name opens for no other.
 */
export class KeyCipher {
  private readonly key: Buffer;

  /** @param secret 24 characters or more, as random as a key: it is not stretched */
  constructor(secret: string) {
    this.key = Buffer.from(hkdfSync('sha256', secret, 'waybill', 'signing keys', 32));
  }

  seal(name: string, bytes: Buffer): Buffer {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce, { authTagLength: TAG }).setAAD(Buffer.from(name));
    const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), encrypted]);
  }

  /** undefined where it was sealed with another secret, for another name, or changed since. */
  open(name: string, sealed: Buffer): Buffer | undefined {
    if (sealed[0] !== VERSION || sealed.length <= 1 + NONCE + TAG) return undefined;
    const [nonce, tag, encrypted] = [sealed.subarray(1, 1 + NONCE), sealed.subarray(1 + NONCE, 1 + NONCE + TAG), sealed.subarray(1 + NONCE + TAG)];
    const decipher = createDecipheriv('aes-256-gcm', this.key, nonce, { authTagLength: TAG }).setAAD(Buffer.from(name)).setAuthTag(tag);
    try {
      return Buffer.concat([decipher.update(encrypted), decipher.final()]);
    } catch {
      return undefined;
    }
  }
}
