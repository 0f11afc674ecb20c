import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isRecord } from '@waybill/testing';
import { parseAllDocuments } from 'yaml';

const run = promisify(execFile);
export const CHART = join(process.cwd(), 'deploy/helm/waybill');
/** A helm that is built from source knows of an old Kubernetes only, unless it is told. */
const KUBERNETES = ['--kube-version', '1.34.0'];

/** One manifest of a rendered chart. */
export class Manifest {
  constructor(readonly content: unknown) {}

  get kind(): string {
    return this.text('kind');
  }

  get name(): string {
    return this.text('metadata', 'name');
  }

  /** What stands at the path; undefined where nothing does. */
  at(...path: readonly (string | number)[]): unknown {
    return path.reduce<unknown>((value, step) => (Array.isArray(value) ? value[Number(step)] : isRecord(value) ? value[step] : undefined), this.content);
  }

  text(...path: readonly (string | number)[]): string {
    const value = this.at(...path);
    if (typeof value !== 'string') throw new Error(`${path.join('.')} is ${JSON.stringify(value)}; expected a text. ${JSON.stringify(this.content).slice(0, 200)}`);
    return value;
  }

  list(...path: readonly (string | number)[]): Manifest[] {
    const value = this.at(...path) ?? [];
    if (!Array.isArray(value)) throw new Error(`${path.join('.')} is ${JSON.stringify(value)}; expected a list.`);
    return value.map((one) => new Manifest(one));
  }

  /** A map of texts, such as labels. */
  map(...path: readonly (string | number)[]): Readonly<Record<string, string>> {
    const value = this.at(...path) ?? {};
    if (!isRecord(value)) throw new Error(`${path.join('.')} is ${JSON.stringify(value)}; expected a map.`);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)]));
  }
}

/** Every manifest that the chart makes of a file in its folder `ci`. Rejects with what helm says where it refuses. */
export async function renderChart(helm: string, values: string, further: readonly string[] = []): Promise<Manifest[]> {
  const { stdout } = await run(helm, ['template', 'registry', CHART, '--namespace', 'waybill', ...KUBERNETES, '--values', join(CHART, 'ci', `${values}-values.yaml`), ...further], { maxBuffer: 10_000_000 });
  return manifestsOf(stdout);
}

/** Every manifest that a `helm install` of a guide would make, run in the checkout. Rejects with what helm says where it refuses. */
export async function renderCommand(helm: string, command: string): Promise<Manifest[]> {
  const { stdout } = await run('sh', ['-euc', `helm() { shift; "$HELM" template "$@" ${KUBERNETES.join(' ')}; }\n${command}`], { env: { ...process.env, HELM: helm }, maxBuffer: 10_000_000 });
  return manifestsOf(stdout);
}

function manifestsOf(rendered: string): Manifest[] {
  return parseAllDocuments(rendered).flatMap((document) => {
    if ('errors' in document && document.errors.length > 0) throw new Error(document.errors.map(String).join('\n'));
    const content: unknown = document.toJS();
    return content === null ? [] : [new Manifest(content)];
  });
}

/** What helm says of the chart with these values. Rejects where it finds a fault. */
export async function lintChart(helm: string, values: string): Promise<string> {
  return (await run(helm, ['lint', '--strict', ...KUBERNETES, CHART, '--values', join(CHART, 'ci', `${values}-values.yaml`)])).stdout;
}
