import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@waybill/testing';
import { describeRegistry } from '../protocol/describe-registry.js';
import { startRegistry, TOPOLOGIES } from './guarded-registry.js';

/** Of alice and her password, as `htpasswd -B` writes it. */
const HTPASSWD = 'alice:$2b$05$MNTpYZghnC5tLbfzLZeSaOgVI/02N9bGeag1R/QsvakioDtfeGw0i\n';
const headers = { Authorization: `Basic ${Buffer.from('alice:correct horse').toString('base64')}` };

for (const topology of TOPOLOGIES) {
  describeRegistry(`a registry whose users stand in an htpasswd file, ${topology}`, async () => {
    const folder = await temporaryFolder('htpasswd');
    const path = join(folder.path, 'users');
    await writeFile(path, HTPASSWD);
    const registry = await startRegistry(topology, { WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: path });
    return { baseUrl: registry.baseUrl, headers, logs: () => registry.logs(), stop: () => registry.stop().then(() => folder.remove()) };
  });
}
