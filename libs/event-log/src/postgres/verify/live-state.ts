import type { Model } from '@waybill/events';
import { ACCESS_STATE } from './access-state.js';

/**
 * The state tables in the shape of the fold: (key, row) by model, surrogate ids replaced by what they stand for. Outer joins, so that a
 * reference to a row that is not there shows as a key of its own and never drops out of the comparison.
 */
const LIVE: Readonly<Record<Model, string>> = {
  repo: `SELECT r.repo_id::text AS key, jsonb_build_object('name', r.name, 'tenant', t.name) AS row
    FROM reg.repo r LEFT JOIN reg.tenant t USING (tenant_id)`,
  // A sweeping generation is on its way out; the usable one of its digest, if any, is the state.
  blob: `SELECT b.digest, jsonb_build_object('generation', b.generation, 'size', b.size, 'state', b.state::text) FROM reg.blob b WHERE b.state <> 'S'`,
  blob_link: `SELECT l.repo_id || '@' || coalesce(b.digest, 'blob ' || l.blob_id || ', which is missing'), '{}'::jsonb
    FROM reg.blob_link l LEFT JOIN reg.blob b USING (blob_id)`,
  manifest: `SELECT m.repo_id || '@' || m.digest,
      jsonb_build_object('media_type', m.media_type, 'size', m.size, 'artifact_type', m.artifact_type, 'subject', m.subject, 'state', m.state)
    FROM reg.manifest m`,
  ref: `SELECT coalesce(m.repo_id || '@' || m.digest, 'manifest ' || r.manifest_id || ', which is missing') || '@' ||
      coalesce(b.digest, 'blob ' || r.blob_id || ', which is missing'), '{}'::jsonb
    FROM reg.ref r LEFT JOIN reg.manifest m USING (manifest_id) LEFT JOIN reg.blob b USING (blob_id)`,
  child: `SELECT coalesce(p.repo_id || '@' || p.digest, 'manifest ' || c.parent_id || ', which is missing') || '@' ||
      coalesce(m.digest, 'manifest ' || c.child_id || ', which is missing'), '{}'::jsonb
    FROM reg.child c LEFT JOIN reg.manifest p ON p.manifest_id = c.parent_id LEFT JOIN reg.manifest m ON m.manifest_id = c.child_id`,
  referrer: `SELECT f.repo_id || '@' || f.subject || '@' || f.digest, jsonb_build_object('artifact_type', f.artifact_type) FROM reg.referrer f`,
  tag: `SELECT t.repo_id || ':' || t.name, jsonb_build_object('digest', m.digest, 'version', t.version)
    FROM reg.tag t LEFT JOIN reg.manifest m USING (manifest_id)`,
  tag_history: `SELECT h.repo_id || ':' || h.name || '#' || h.version, jsonb_build_object('digest', m.digest, 'from_gpos', h.from_gpos, 'to_gpos', h.to_gpos)
    FROM reg.tag_history h LEFT JOIN reg.manifest m USING (manifest_id)`,
  ...ACCESS_STATE,
};

/** One query over all models: (model, key, row). A key may stand twice where a table has a duplicate; the comparison then shows it. */
export const LIVE_STATE = Object.entries(LIVE).map(([model, text]) => `SELECT '${model}' AS model, x.key, x.row FROM (${text}) AS x(key, row)`).join(' UNION ALL ');

/** The table of a model, for a person. */
export function tableOf(model: string): string {
  return `${model in ACCESS_STATE ? 'access' : 'reg'}.${model}`;
}
