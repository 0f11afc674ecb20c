import { writeFileSync } from 'node:fs';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Actors, AskOnce, NoRevocations, scopeGuard, TokenVerifier } from '@waybill/access';
import { ISSUER, repository, SERVICE, TestIssuer } from '@waybill/access/testing';
import { parseRequest } from '@waybill/oci';
import { Exchange, TrustedProxies } from '@waybill/platform';
import { getRequest } from './connection.js';
import { runLoad } from './generator.js';
import { oursOnly, type Figures, type Lab, type OwnRow } from './row.js';
import type { Contender, RunningServer } from './server.js';
import { median } from './statistics.js';

/** Runs that take turns with each other in one sample. */
const TURNS = 7;

/** The same registry behind a token server; the keys are in a file. */
function guarded(contender: Contender, jwks: string): Contender {
  const environment = { WAYBILL_AUTH_MODE: 'external', WAYBILL_AUTH_REALM: 'http://127.0.0.1:9/token', WAYBILL_AUTH_ISSUER: ISSUER, WAYBILL_AUTH_SERVICE: SERVICE, WAYBILL_AUTH_JWKS_FILE: jwks };
  return {
    ...contender,
    command: (dataDir, port, metricsPort) => {
      const command = contender.command(dataDir, port, metricsPort);
      return { ...command, env: { ...command.env, ...environment } };
    },
  };
}

function withToken(request: Buffer, token: string): Buffer {
  return Buffer.from(`${request.toString('latin1').slice(0, -2)}Authorization: Bearer ${token}\r\n\r\n`);
}

async function cost(server: RunningServer, lab: Lab, list: readonly Buffer[]): Promise<number> {
  const { seconds, warmUp } = lab.settings;
  const { operations, serverCpuSeconds } = await runLoad(server, { kind: 'requests', connections: 16, list, status: 200, seconds, warmUp }, lab.cores?.generator);
  return (serverCpuSeconds / operations) * 1e6;
}

/** Names nobody: a read asks for no name. */
class NoActors extends Actors {
  refOf(): never {
    throw new Error('a read appends no event');
  }
}

const CHECKS = 200_000;

/** The check by itself, in this process, where nothing else moves the figure: microseconds of CPU for a token that is known. */
async function alone(issuer: TestIssuer): Promise<number> {
  const guard = scopeGuard({
    verifier: new TokenVerifier({ issuer: ISSUER, audience: SERVICE, keys: issuer.keys, own: false }),
    authority: () => ({ realm: 'http://127.0.0.1:9/token', service: SERVICE }),
    revocations: new NoRevocations(),
    actors: new NoActors(),
    trusted: new TrustedProxies([]),
    askAgain: new AskOnce().askAgain,
  });
  const asked = Array.from({ length: 16 }, (_, i) => {
    const authorization = `Bearer ${issuer.grant([repository(`bench/${i}`, 'pull')])}`;
    const message = new IncomingMessage(new Socket());
    message.headers = { host: '127.0.0.1', accept: '*/*', authorization };
    message.rawHeaders = ['Host', '127.0.0.1', 'Accept', '*/*', 'Authorization', authorization];
    return { request: parseRequest('GET', `/v2/bench/${i}/manifests/latest`), exchange: new Exchange(message, new ServerResponse(message)) };
  });
  const check = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) for (const { request, exchange } of asked) {
      const waited = guard(request, exchange);
      if (waited !== undefined) await waited;
    }
  };
  await check(5_000);
  const began = process.cpuUsage();
  await check(CHECKS / asked.length);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / CHECKS;
}

/** Both servers hold the same images; the guarded one was seeded before it was guarded. */
async function compare(contender: Contender, lab: Lab): Promise<Figures> {
  const issuer = new TestIssuer();
  const [folder, openFolder] = [lab.newFolder(), lab.newFolder()];
  const jwks = join(folder, 'jwks.json');
  writeFileSync(jwks, JSON.stringify({ keys: [issuer.jwk] }));
  const seeding = await lab.start(contender, folder, lab.cores?.server);
  const images = await lab.seeds.images(seeding);
  await seeding.stop();
  const on = await lab.start(guarded(contender, jwks), folder, lab.cores?.server);
  const off = await lab.start(contender, openFolder, lab.cores?.server);
  const plain = (await lab.seeds.images(off)).map((image) => getRequest(`/v2/${image.repository}/manifests/${image.tag}`));
  const exp = Math.floor(Date.now() / 1000) + 86_400;
  const tokens = images.map((image) => withToken(getRequest(`/v2/${image.repository}/manifests/${image.tag}`), issuer.grant([repository(image.repository, 'pull')], { exp })));
  const costs: { readonly off: number[]; readonly on: number[] } = { off: [], on: [] };
  for (let turn = 0; turn < TURNS; turn += 1) {
    const runs = [async () => costs.off.push(await cost(off, lab, plain)), async () => costs.on.push(await cost(on, lab, tokens))];
    for (const run of turn % 2 === 0 ? runs : runs.reverse()) await run();
  }
  await on.stop();
  await off.stop();
  const [without, with_] = [median(costs.off), median(costs.on)];
  return { off: without, on: with_, more: with_ - without, alone: await alone(issuer) };
}

/** What the check of a token that is known adds to a pull of a manifest. */
export const GUARD_ROW: OwnRow = {
  name: 'guard',
  title: 'GET manifest by tag, 16 connections: CPU with a token for each repository',
  metrics: [
    { key: 'off', label: 'no authentication: CPU µs/request', digits: 1, better: 'lower' },
    { key: 'on', label: 'a known token: CPU µs/request', digits: 1, better: 'lower' },
    { key: 'more', label: 'what the guard adds: CPU µs/request', digits: 1, better: 'lower' },
    { key: 'alone', label: 'the check alone, in a process of its own: CPU µs', digits: 2, better: 'lower' },
  ],
  targets: [{ metric: 'more', against: 'itself', atMost: 10 }, { metric: 'alone', against: 'itself', atMost: 10 }],
  rounds: () => 1,
  takes: oursOnly,
  sample: compare,
};
