import { DependencyUnavailable, OciError, manifestUnknown } from '@waybill/oci';
import { RawClient, serve } from './testing/http-fixture.js';
import type { ServedRegistry } from './testing/http-fixture.js';

let served: ServedRegistry;
afterEach(() => served.close());

async function failingWith(error: unknown, method = 'GET'): Promise<Response> {
  const fail = (): Promise<void> => Promise.reject(error);
  served = await serve({ handlers: { getManifest: fail, headManifest: fail } });
  return fetch(`${served.url}/v2/a/manifests/v1`, { method, headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' } });
}

describe('an error', () => {
  it('of the protocol is answered in the form of the specification, with its headers, and is not reported', async () => {
    const response = await failingWith(new OciError('TOOMANYREQUESTS', 'slower', { headers: { 'Retry-After': '7' } }));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ errors: [{ code: 'TOOMANYREQUESTS', message: 'slower' }] });
    expect(served.reported).toEqual([]);
  });

  it('to HEAD has the head of the answer to GET, and no body', async () => {
    const get = await failingWith(manifestUnknown('v1'));
    const head = await fetch(get.url, { method: 'HEAD' });
    expect({ status: head.status, type: head.headers.get('content-type'), length: head.headers.get('content-length'), body: await head.text() })
      .toEqual({ status: 404, type: 'application/json', length: String((await get.text()).length), body: '' });
  });

  it('of a dependency is answered 503 and reported', async () => {
    const error = new DependencyUnavailable('the database');
    const response = await failingWith(error);
    expect({ status: response.status, again: response.headers.get('retry-after') }).toEqual({ status: 503, again: '2' });
    expect(served.reported).toEqual([error]);
  });

  it.each([new Error('password is hunter2'), 'a string', undefined])('that is a bug (%p) is answered 500 with the trace id and nothing of its text', async (error) => {
    const response = await failingWith(error);
    const body = await response.text();
    expect(response.status).toBe(500);
    expect(body).toContain('4bf92f3577b34da6a3ce929d0e0e4736');
    expect(body).not.toContain('hunter2');
    expect(served.reported).toEqual([error]);
  });

  it('in an answer that has begun cuts the connection and adds nothing', async () => {
    served = await serve({
      handlers: {
        getBlob: async (_, exchange) => {
          await new Promise<void>((resolve) => exchange.begin(200, [], 1000).write('0123456789', () => resolve()));
          throw new Error('the disk is gone');
        },
      },
    });
    const client = await RawClient.open(served.port);
    client.send([`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`]);
    const received = await client.toTheEnd();
    expect(client.ended).toBe(true);
    expect(received.endsWith('\r\n\r\n0123456789')).toBe(true);
    expect(served.reported).toHaveLength(1);
  });

  it.each(['ECANCELED', 'EIO'])('of a write (%s) is reported unless it is the client who went away', async (code) => {
    const failed = Object.assign(new Error(`write ${code}`), { code });
    served = await serve({
      handlers: {
        getBlob: async (_, exchange) => {
          await new Promise<void>((resolve) => exchange.begin(200, [], 1000).write('0123456789', () => resolve()));
          throw failed;
        },
      },
    });
    const client = await RawClient.open(served.port);
    client.send([`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`]);
    await client.toTheEnd();
    expect(served.reported).toEqual([failed]);
  });

  it('of a large answer whose client goes away is not reported', async () => {
    let failure: unknown;
    served = await serve({
      handlers: {
        getBlob: async (_, exchange) => {
          const response = exchange.begin(200, [], 64 << 20);
          try {
            await new Promise<void>((resolve, reject) => response.write(Buffer.alloc(64 << 20), (error) => (error ? reject(error) : resolve())));
          } catch (error) {
            failure = error;
            throw error;
          }
        },
      },
    });
    const client = await RawClient.open(served.port);
    client.send([`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`]);
    await client.until(({ received }) => received.length > 0);
    client.socket.destroy();
    await client.until(() => served.observed.length > 0);
    expect(failure).toEqual(expect.objectContaining({ code: expect.any(String) }));
    expect(served.reported).toEqual([]);
  });
});
