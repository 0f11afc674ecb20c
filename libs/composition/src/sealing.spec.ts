import type { Exchange, Handlers } from '@waybill/platform';
import { wakeSealer } from './sealing.js';

const request = { kind: 'putManifest' } as const;

describe('wakeSealer', () => {
  it('pokes after an append succeeded, not before and not after a failure', async () => {
    const order: string[] = [];
    const woken = (fails: boolean) => wakeSealer({
      putManifest: () => {
        order.push('push');
        if (fails) throw new Error('refused');
      },
    }, () => order.push('poke'));
    const run = async (handlers: Partial<Handlers>) => Reflect.apply(handlers.putManifest ?? fail, undefined, [request, {}]);
    await run(woken(false));
    await expect(run(woken(true))).rejects.toThrow('refused');
    expect(order).toEqual(['push', 'poke', 'push']);
  });

  it('leaves what only reads as it is', () => {
    const getBlob = (_request: unknown, _exchange: Exchange): void => undefined;
    expect(wakeSealer({ getBlob }, () => undefined).getBlob).toBe(getBlob);
  });

  it('adds no endpoint that the roles do not have', () => {
    expect(Object.keys(wakeSealer({}, () => undefined))).toEqual([]);
  });
});

function fail(): never {
  throw new Error('there is no handler');
}
