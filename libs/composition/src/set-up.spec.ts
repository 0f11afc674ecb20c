import { DependencyUnavailable } from '@waybill/oci';
import { ConfigRefused, loadConfig } from '@waybill/platform';
import { setUp, stepsOf, type SetUpStep } from './set-up.js';

const config = (settings: Readonly<Record<string, string>> = {}) => loadConfig({ DATABASE_URL: 'postgresql://owner@db/waybill', ...settings });

const step = (name: string, run: () => Promise<string>): SetUpStep => ({ name, server: `the server of ${name}`, run });

const away = (): Promise<never> => Promise.reject(new DependencyUnavailable('storage', new Error('nobody is there')));

describe('setUp', () => {
  it('runs one step after the other, and tells what each did', async () => {
    const said: string[] = [];
    await setUp(await config(), (line) => said.push(line), [step('one', async () => 'made it'), step('two', async () => 'found it')]);
    expect(said).toEqual(['one: made it', 'two: found it']);
  });

  it('tries a step again whose server is away, says once what it waits for, and goes on', async () => {
    const said: string[] = [];
    let tries = 0;
    await setUp(await config(), (line) => said.push(line), [step('one', () => (++tries < 3 ? away() : Promise.resolve('made it'))), step('two', async () => 'found it')]);
    expect(said).toEqual(['one: waits for the server of one. nobody is there', 'one: made it', 'two: found it']);
  });

  it('gives up after setup.wait, and runs nothing that comes later', async () => {
    const said: string[] = [];
    await expect(setUp(await config({ WAYBILL_SETUP_WAIT: '1s' }), (line) => said.push(line), [step('one', away), step('two', async () => 'found it')]))
      .rejects.toThrow('one: gave up waiting for the server of one, as setup.wait says. nobody is there');
    expect(said).toHaveLength(1);
  });

  it('ends at once with what waiting does not mend', async () => {
    let tries = 0;
    await expect(setUp(await config(), () => undefined, [step('one', () => Promise.reject(new Error(`refused at try ${++tries}`)))])).rejects.toThrow('one, at the server of one: refused at try 1');
  });

  it('makes the topics alone where Kafka is named and no database, and says what it leaves out', async () => {
    const [left, topics, ...more] = stepsOf(await loadConfig({ WAYBILL_KAFKA_BROKERS: 'kafka:9092' }));
    expect([left?.name, await left?.run(), topics?.name, more]).toEqual(['schema, rights', 'not looked at, because no database.url is given', 'topics', []]);
  });

  it('has a step for each server that the configuration names, and needs a database', async () => {
    const s3 = { WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: 'http://minio:9000', WAYBILL_STORAGE_BUCKET: 'b', WAYBILL_STORAGE_ACCESS_KEY: 'a', WAYBILL_STORAGE_SECRET_KEY: 's' };
    expect(stepsOf(await config()).map(({ name }) => name)).toEqual(['schema', 'rights']);
    expect(stepsOf(await config(s3)).map(({ name, server }) => [name, server]).at(-1)).toEqual(['bucket', 'the S3 server at http://minio:9000']);
    expect(stepsOf(await config({ WAYBILL_KAFKA_BROKERS: 'kafka:9092' })).map(({ name }) => name)).toEqual(['schema', 'rights', 'topics']);
    expect(stepsOf(await config({ WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: '/users' })).map(({ name }) => name)).toEqual(['schema', 'rights', 'admin']);
    const user = { ...s3, WAYBILL_SETUP_BUCKET_USER_ACCESS_KEY: 'blobs' };
    expect(stepsOf(await config({ ...user, WAYBILL_SETUP_BUCKET_USER_SECRET_KEY: 'hush hush' })).map(({ name }) => name).slice(-2)).toEqual(['bucket', 'bucket user']);
    const half = await config(user);
    expect(() => stepsOf(half)).toThrow(ConfigRefused);
    const alone = await loadConfig({});
    expect(() => stepsOf(alone)).toThrow(ConfigRefused);
  });
});
