import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './command.js';
import { describeClient } from './workbench.js';

const version = '0.1.0+build.5';

describeClient('helm', ['helm'], ({ bench, binaries }) => {
  const helm = async (...commandArguments: readonly string[]): Promise<string> => {
    const home = await bench().newFolder('helm');
    return output(binaries.helm, commandArguments, { folder: home, environment: { HELM_CONFIG_HOME: `${home}/config`, HELM_CACHE_HOME: `${home}/cache`, HELM_DATA_HOME: `${home}/data` } });
  };
  const chart = (): string => `oci://${bench().host}/helm/demo`;

  it('packages a chart and pushes it; the + of its version becomes a _ in the tag', async () => {
    const templates = await bench().newFolder('helm/demo/templates');
    await writeFile(bench().path('helm', 'demo', 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 0.0.1\n');
    await writeFile(bench().path('helm', 'demo', 'values.yaml'), 'greeting: hello from a chart\n');
    await writeFile(join(templates, 'greeting.yaml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: greeting}\ndata: {text: {{ .Values.greeting | quote }}}\n');
    await helm('package', 'demo', '--version', version);
    await helm('push', `demo-${version}.tgz`, `oci://${bench().host}/helm`, '--plain-http');
    expect((await bench().client.listTags('helm/demo')).json()).toEqual({ name: 'helm/demo', tags: ['0.1.0_build.5'] });
  });

  it('pulls it', async () => {
    const folder = await bench().newFolder('pulled');
    await helm('pull', chart(), '--version', version, '--plain-http', '--destination', folder);
    expect(await readdir(folder)).toEqual([`demo-${version}.tgz`]);
  });

  it('renders it straight from the registry, with a version and with a range of versions', async () => {
    expect(await helm('template', 'release', chart(), '--version', version, '--plain-http')).toContain('hello from a chart');
    expect(await helm('template', 'release', chart(), '--version', '~0.1.0', '--plain-http')).toContain('hello from a chart');
  });

  it('shows it', async () => {
    expect(await helm('show', 'chart', chart(), '--version', version, '--plain-http')).toContain('name: demo');
  });
});
