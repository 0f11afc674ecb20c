import type { Handlers } from '@waybill/platform';
import type { RequestKind, RequestOf } from '@waybill/oci';

/** What appends to the log when it succeeds. */
const APPENDING = ['uploadBlob', 'mountBlob', 'completeUpload', 'deleteBlob', 'putManifest', 'deleteManifest'] as const satisfies readonly RequestKind[];

/** Lets the sealer know of an append of this process, which it would else find at its next look (a quarter of a second at most). */
export function wakeSealer(handlers: Partial<Handlers>, poke: () => void): Partial<Handlers> {
  return APPENDING.reduce((all, kind) => ({ ...all, ...woken(kind, all, poke) }), handlers);
}

function woken<K extends RequestKind>(kind: K, handlers: Partial<Handlers>, poke: () => void): Partial<Handlers> {
  const handler = handlers[kind];
  if (handler === undefined) return {};
  return {
    [kind]: async (request: RequestOf<K>, exchange: Parameters<typeof handler>[1]) => {
      await handler(request, exchange);
      poke();
    },
  };
}
