import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** Of Postgres; a session that logs in pays for them once. */
const ITERATIONS = 4096;

/**
 * What Postgres stores of a password (RFC 5803, SCRAM-SHA-256), so that the password itself never goes into a statement, which a server may log.
 * @param password of printable ASCII: others would have to be normalised first (RFC 4013). Throws RangeError.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new RangeError('a password of a database role has printable ASCII characters only, and at least one');
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}
