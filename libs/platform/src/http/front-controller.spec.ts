import { denied, manifestUnknown } from '@waybill/oci';
import { serve } from './testing/http-fixture.js';
import type { ServeOptions, ServedRegistry } from './testing/http-fixture.js';

let served: ServedRegistry;
afterEach(() => served.close());

async function get(path: string, options: ServeOptions): Promise<Response> {
  served = await serve(options);
  return fetch(`${served.url}${path}`);
}

describe('the front controller', () => {
  it('gives the parsed request to the handler of its kind', async () => {
    const response = await get('/v2/a/b/manifests/v1', {
      handlers: { getManifest: ({ repository, reference }, exchange) => exchange.reply(200, [], `${repository} ${reference} ${exchange.parsed?.kind}`) },
    });
    expect(await response.text()).toBe('a/b v1 getManifest');
    expect(served.observed).toEqual([{ kind: 'getManifest', status: 200 }]);
  });

  it('asks the guard before the handler, and waits for it', async () => {
    const order: string[] = [];
    await get('/v2/', {
      guard: async () => {
        await Promise.resolve();
        order.push('guard');
      },
      handlers: {
        ping: (_, exchange) => {
          order.push('handler');
          exchange.reply(200, [], '{}');
        },
      },
    });
    expect(order).toEqual(['guard', 'handler']);
  });

  it.each(['throws', 'rejects'])('serves nothing that a guard %s at', async (how) => {
    let called = false;
    const response = await get('/v2/', {
      guard: () => {
        if (how === 'throws') throw denied('not you');
        return Promise.reject(denied('not you'));
      },
      handlers: { ping: () => void (called = true) },
    });
    expect({ status: response.status, called, body: await response.json() }).toEqual({ status: 403, called: false, body: { errors: [{ code: 'DENIED', message: 'not you' }] } });
    expect(served.observed).toEqual([{ kind: 'ping', status: 403 }]);
  });

  it.each([true, false])('answers an error of a handler, thrown (%s) or rejected', async (thrown) => {
    const response = await get('/v2/a/manifests/v1', {
      handlers: {
        getManifest: () => {
          if (thrown) throw manifestUnknown('v1');
          return Promise.reject(manifestUnknown('v1'));
        },
      },
    });
    expect(response.status).toBe(404);
    expect(served.observed).toEqual([{ kind: 'getManifest', status: 404 }]);
  });

  it('answers what is outside the grammar without asking the guard', async () => {
    let asked = false;
    const response = await get('/v2/a/nonsense', { guard: () => void (asked = true) });
    expect({ status: response.status, asked }).toEqual({ status: 404, asked: false });
    expect(served.observed).toEqual([{ kind: undefined, status: 404 }]);
  });

  it('says so where another service answers the kind', async () => {
    const response = await get('/v2/', {});
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('this service does not answer ping');
  });

  it('observes an asynchronous answer once it is done', async () => {
    const response = await get('/v2/', {
      handlers: {
        ping: async (_, exchange) => {
          await Promise.resolve();
          exchange.reply(200, [], '{}');
        },
      },
    });
    expect(response.status).toBe(200);
    expect(served.observed).toEqual([{ kind: 'ping', status: 200 }]);
  });
});
