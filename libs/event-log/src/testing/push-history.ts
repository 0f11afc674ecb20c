import { createHash, randomUUID } from 'node:crypto';
import { sqlState } from '@waybill/platform';
import type { Sql } from '@waybill/platform';
import { AccessHistory } from './access-history.js';

const metaOf = (repository: string): string => JSON.stringify({ repo_name: repository, request_id: 'history', auth_kind: 'anonymous', client: { ua: 'spec', ip_ref: null } });
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

export interface Pushed {
  readonly digest: string;
  readonly size: number;
}

interface ManifestOptions {
  readonly blobs?: readonly Pushed[];
  readonly external?: readonly Pushed[];
  readonly children?: readonly Pushed[];
  readonly subject?: string | null;
  readonly tags?: readonly string[];
}

/** Pushes, pulls nothing, deletes: the product's own SQL functions, with the least that they need around them. */
export class PushHistory {
  constructor(private readonly sql: Sql) {}

  async upload(repository: string, text: string): Promise<Pushed> {
    const blob = describe(Buffer.from(text));
    await this.sql('SELECT reg.link_blob($1, false, $2, $3, $4, now(), $5)', [repository, blob.digest, blob.size, randomUUID(), metaOf(repository)]);
    return blob;
  }

  async mount(repository: string, from: string, blob: Pushed): Promise<void> {
    await this.sql('SELECT reg.mount_blob_v1($1, false, $2, $3, $4)', [repository, blob.digest, from, metaOf(repository)]);
  }

  unlink(repository: string, blob: Pushed): Promise<object[]> {
    return this.sql('SELECT reg.unlink_blob_v1($1, $2, $3)', [repository, blob.digest, metaOf(repository)]);
  }

  /** `text` stands for the manifest's bytes: what decides is what the arguments say is in them. */
  async push(repository: string, text: string, options: ManifestOptions = {}): Promise<Pushed> {
    const { blobs, children, subject, tags, external } = { blobs: [], children: [], subject: null, tags: [], external: [], ...options };
    const bytes = Buffer.from(text);
    const manifest = describe(bytes);
    const data = manifestData(manifest, { blobs, children, subject, external });
    const held = blobs.toSorted(byDigest);
    const listed = children.toSorted(byDigest);
    const [row] = await repeated(() => this.sql<{ outcome: string }>(
      `SELECT outcome FROM reg.put_manifest_v1(p_repository => $1, p_must_exist => false, p_digest => $2, p_media_type => $3, p_bytes => $4, p_artifact_type => $5,
        p_subject => $6, p_descriptor => '{}', p_blobs => $7, p_blob_sizes => $8, p_children => $9, p_child_sizes => $10, p_sparse => true, p_tags => $11,
        p_expected => NULL, p_data => $12, p_meta => $13, p_external => $14)`,
      [repository, manifest.digest, data.media_type, bytes, data.artifact_type, subject, held.map(({ digest }) => digest), held.map(({ size }) => size),
        listed.map(({ digest }) => digest), listed.map(({ size }) => size), tags.toSorted(), JSON.stringify(data), metaOf(repository), external.map(({ digest }) => digest).toSorted()],
    ));
    const outcome = String(row?.outcome);
    if (!['pushed', 'unchanged'].includes(outcome)) throw new Error(`the push of ${text} answered ${outcome}; expected pushed or unchanged`);
    return manifest;
  }

  deleteTag(repository: string, tag: string): Promise<object[]> {
    return this.sql('SELECT reg.delete_tag_v1($1, $2, $3)', [repository, tag, metaOf(repository)]);
  }

  deleteManifest(repository: string, manifest: Pushed): Promise<object[]> {
    return this.sql(`SELECT outcome FROM reg.delete_manifest_v1($1, $2, interval '7 days', $3)`, [repository, manifest.digest, metaOf(repository)]);
  }

  /** Every event of the catalogue, in the orders in which they meet. */
  async everything(): Promise<void> {
    const app = 'library/app';
    const config = await this.upload(app, 'config');
    const base = await this.upload(app, 'base layer');
    const layer = await this.upload(app, 'layer');
    await this.upload('acme/other', 'base layer');
    await this.mount('acme/third', app, base);
    await this.unlink('acme/third', base);
    await this.mount('acme/third', app, base);
    const foreign = describe(Buffer.from('a layer that is elsewhere'));
    const first = await this.push(app, 'first', { blobs: [config, base], external: [foreign], tags: ['1.0', 'latest'] });
    const second = await this.push(app, 'second', { blobs: [config, base, layer], tags: ['latest'] });
    await this.push(app, 'second', { blobs: [config, base, layer], tags: ['latest'] });
    const absent = describe(Buffer.from('never pushed'));
    await this.push(app, 'index', { children: [first, second, absent], tags: ['multi'] });
    const signature = await this.push(app, 'signature', { blobs: [config], subject: second.digest });
    await this.push(app, 'another signature', { blobs: [config], subject: absent.digest, tags: ['sig'] });
    await this.push(app, 'external but held', { blobs: [config], external: [foreign, base] });
    await this.deleteTag(app, '1.0');
    await this.push(app, 'first', { blobs: [config, base], external: [foreign], tags: ['1.0'] });
    await this.deleteManifest(app, signature);
    const gone = await this.push(app, 'gone', { blobs: [config, layer], tags: ['gone', 'gone-too', 'latest'] });
    await this.deleteManifest(app, gone);
    await this.push(app, 'gone', { blobs: [config, layer], tags: ['back'] });
    const alone = await this.push('single', 'alone', { children: [absent], tags: ['only'] });
    await this.deleteManifest('single', alone);
    const access = new AccessHistory(this.sql);
    await access.everything('acme/other');
    await this.push('acme/dropped', 'dropped', { blobs: [await this.upload('acme/dropped', 'config')], subject: absent.digest, tags: ['1.0'] });
    await access.call('set_visibility', 'acme/dropped', 'public', null);
    await this.deleteRepository('acme/dropped');
    await this.push('acme/dropped', 'dropped', { tags: ['2.0'] });
  }

  /** As the product does it: what is in it goes in steps, once nobody is left who may have found it. */
  async deleteRepository(repository: string): Promise<void> {
    await this.sql(`SELECT access.delete_repository_v1($1, '7 days', NULL, $2)`, [repository, metaOf(repository)]);
    for (let outcome = 'more'; outcome !== 'none';) {
      [{ outcome } = { outcome: 'none' }] = await this.sql<{ outcome: string }>('SELECT access.continue_deletions_v1(2) AS outcome');
    }
  }
}

/** Runs again what lost against another push that made the same row (SQLSTATE 40001), as the push of the product does. */
async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (sqlState(error) !== '40001' || tries === 5) throw error;
    }
  }
}

function manifestData(manifest: Pushed, { blobs, children, subject, external }: Required<Omit<ManifestOptions, 'tags'>>) {
  const [config, ...layers] = blobs;
  return {
    ...manifest,
    media_type: children.length > 0 ? INDEX : MANIFEST,
    artifact_type: subject === null ? null : 'application/vnd.example.signature',
    config: config === undefined ? null : { ...config, media_type: 'application/vnd.oci.image.config.v1+json' },
    layers: [...layers, ...external.map((each) => ({ ...each, external: true }))],
    children: children.map((each) => ({ ...each, media_type: MANIFEST })),
    subject,
    annotations: {},
  };
}

function byDigest(a: Pushed, b: Pushed): number {
  return a.digest < b.digest ? -1 : 1;
}

function describe(bytes: Buffer): Pushed {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length };
}
