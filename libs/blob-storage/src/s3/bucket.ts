import { argon2, createCipheriv, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { DependencyUnavailable } from '@waybill/oci';
import { connect } from './s3-connection.js';
import { settingsOf, type S3Options } from './s3-options.js';

/** Who the registry is for the storage. */
export interface BucketUser {
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * Makes the bucket where it is missing, and says whether it did: for the set-up step, which has more rights than the registry. Any number of processes
 * may call it at once. Rejects with DependencyUnavailable where the server is not there or has no time, and as it said where it refuses.
 */
export async function ensureBucket(options: S3Options): Promise<boolean> {
  const settings = settingsOf(options);
  const { client, calls, transport } = await connect(settings);
  try {
    if (await calls.bucketExists()) return false;
    await client.makeBucket(settings.bucket, settings.region);
    return true;
  } catch (error) {
    // somebody else was quicker; whose it is, the second look tells
    if (calls.isRefused(error, 'BucketAlreadyOwnedByYou', 'BucketAlreadyExists') && (await calls.bucketExists())) return false;
    throw calls.isFinal(error) ? error : new DependencyUnavailable('storage', error);
  } finally {
    transport.close();
  }
}

/** The server said no: a login that is no administrator's, a secret that is too short, a server that is not MinIO. */
export class BucketUserRefused extends Error {
  override readonly name = 'BucketUserRefused';
}

/** All that administration is answered with, in JSON, which the client library would not read. */
const STATUSES = [200, 400, 401, 403, 404, 405, 409, 411, 500, 501, 503];

/**
 * Makes a user who may read, write and delete objects in the bucket, and nothing else: no other bucket, no administration. One that is there gets the
 * secret and the rights anew. For MinIO, whose way of administration this is, with the login of an administrator in `options`; its client library has
 * none of it. Idempotent. Rejects with BucketUserRefused, or as ensureBucket does.
 */
export async function ensureBucketUser(options: S3Options, { accessKey, secretKey }: BucketUser): Promise<void> {
  const settings = settingsOf({ ...options, style: 'path' });
  const { client, calls, transport } = await connect(settings);
  // signed like any other call: to the client it is an object in a bucket called minio
  const administer = async (what: string, query: Readonly<Record<string, string>>, body: Buffer | string): Promise<void> => {
    const request = { method: 'PUT', bucketName: 'minio', objectName: `admin/v3/${what}`, query: new URLSearchParams(query).toString() };
    const answer = await client.makeRequestAsync(request, body, STATUSES, settings.region);
    const said = await text(answer);
    if (answer.statusCode === 200) return;
    const refusal = new BucketUserRefused(`the S3 server refused to make the user ${accessKey} (${what}, status ${answer.statusCode}): ${said.slice(0, 500)}`);
    throw (answer.statusCode ?? 500) < 500 ? refusal : new DependencyUnavailable('storage', refusal);
  };
  const policyName = `${accessKey}-${settings.bucket}`;
  try {
    await administer('add-canned-policy', { name: policyName }, JSON.stringify(bucketPolicy(settings.bucket)));
    await administer('add-user', { accessKey }, await sealed(settings.secretKey, JSON.stringify({ secretKey, status: 'enabled' })));
    await administer('set-user-or-group-policy', { policyName, userOrGroup: accessKey, isGroup: 'false' }, '');
  } catch (error) {
    throw error instanceof BucketUserRefused || error instanceof DependencyUnavailable || calls.isFinal(error) ? error : new DependencyUnavailable('storage', error);
  } finally {
    transport.close();
  }
}

/** What S3BlobStorage needs. */
function bucketPolicy(bucket: string): object {
  const allow = (resource: string, actions: readonly string[]): object => ({ Effect: 'Allow', Action: actions.map((action) => `s3:${action}`), Resource: [`arn:aws:s3:::${resource}`] });
  return {
    Version: '2012-10-17',
    Statement: [
      allow(bucket, ['GetBucketLocation', 'ListBucket', 'ListBucketMultipartUploads']),
      allow(`${bucket}/*`, ['GetObject', 'PutObject', 'DeleteObject', 'AbortMultipartUpload', 'ListMultipartUploadParts']),
    ],
  };
}

const derive = promisify(argon2);
/** A key by argon2id, then AES-256-GCM. */
const SEAL = 0;
const MOST_BYTES = 16_384;

/**
 * How MinIO wants secrets, TLS or not: `salt (32) | kind (1) | nonce (8) | ciphertext`, under a key from the administrator's own secret. Each 16 KiB are sealed
 * with the nonce and their number, and with a tag over the empty text as number 0; ours are the last ones, and number 1.
 * @see madmin-go, EncryptData; sio-go
 */
async function sealed(secret: string, content: string): Promise<Buffer> {
  const plain = Buffer.from(content);
  if (plain.length > MOST_BYTES) throw new RangeError(`a secret for MinIO has up to ${MOST_BYTES} bytes, not ${plain.length}`);
  const [salt, nonce] = [randomBytes(32), randomBytes(8)];
  const key = await derive('argon2id', { message: secret, nonce: salt, memory: 64 * 1024, passes: 1, parallelism: 4, tagLength: 32 });
  const seal = (number: number, bytes: Buffer, alongside: Buffer): Buffer => {
    const counter = Buffer.alloc(4);
    counter.writeUInt32LE(number);
    const cipher = createCipheriv('aes-256-gcm', key, Buffer.concat([nonce, counter])).setAAD(alongside);
    return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  };
  const last = Buffer.from([0x80]);
  const first = seal(0, Buffer.alloc(0), Buffer.alloc(0));
  return Buffer.concat([salt, Buffer.from([SEAL]), nonce, seal(1, plain, Buffer.concat([last, first]))]);
}
