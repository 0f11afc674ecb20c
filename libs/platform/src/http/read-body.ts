import type { IncomingMessage } from 'node:http';
import { OciError } from '@waybill/oci';

/**
 * The whole body of a request, at most `limit` bytes: refused by its announced length before a byte is read, and while it is read.
 * @throws what `tooLarge` makes; OciError SIZE_INVALID where the client went away before the end
 */
export function readBody(request: IncomingMessage, limit: number, tooLarge: () => Error): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge());
  // A request that has ended already tells nobody again.
  if (request.destroyed) return Promise.reject(goneAway());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limit) {
        detach();
        request.pause();
        reject(tooLarge());
      } else chunks.push(chunk);
    };
    const end = (): void => {
      detach();
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size));
    };
    const gone = (): void => {
      detach();
      reject(goneAway());
    };
    const detach = (): void => {
      request.off('data', take).off('end', end).off('close', gone).off('error', gone);
    };
    request.on('data', take).on('end', end).on('close', gone).on('error', gone);
  });
}

function goneAway(): OciError {
  return new OciError('SIZE_INVALID', 'the request ended before its body did');
}
