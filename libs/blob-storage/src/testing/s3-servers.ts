import { requireBinaries, startMinio, startVersityGateway } from '@waybill/testing';
import type { S3Server } from '@waybill/testing';

export interface S3ServerKind {
  readonly name: 'minio' | 'versitygw';
  /** Whether this server, as it is started here, can encrypt at rest and answers to `<bucket>.s3.test`. */
  readonly full: boolean;
  start(): Promise<S3Server>;
}

/** The servers whose programs are there; a missing one is told in plain words, and is a failure under CI=true. */
export function s3Servers(): S3ServerKind[] {
  const kinds: S3ServerKind[] = [];
  const minio = requireBinaries('minio');
  if (minio) kinds.push({ name: 'minio', full: true, start: () => startMinio(minio.minio) });
  const versity = requireBinaries('versitygw');
  if (versity) kinds.push({ name: 'versitygw', full: false, start: () => startVersityGateway(versity.versitygw) });
  return kinds;
}
