import { createServer } from 'node:http';
import { parseRequest } from '@waybill/oci';
import { Exchange } from '@waybill/platform';
import { policyGuard } from './policy.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const UPLOAD = '/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000';

describe('policyGuard', () => {
  let exchange: Exchange;

  beforeAll(async () => {
    const server = createServer((request, response) => {
      exchange = new Exchange(request, response);
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    await (await fetch(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`)).text();
    server.close();
  });

  const passes = (policy: Parameters<typeof policyGuard>[0], method: string, url: string): boolean => {
    try {
      void policyGuard(policy)(parseRequest(method, url), exchange);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'UNSUPPORTED', status: 405, headers: { Allow: expect.not.stringContaining(method) } });
      return false;
    }
  };

  const pulls = [['GET', '/v2/'], ['GET', `/v2/a/blobs/${DIGEST}`], ['HEAD', '/v2/a/manifests/t'], ['GET', '/v2/a/tags/list'], ['GET', '/v2/_catalog'], ['GET', `/v2/a/referrers/${DIGEST}`], ['GET', UPLOAD]] as const;
  const pushes = [['POST', '/v2/a/blobs/uploads/'], ['POST', `/v2/a/blobs/uploads/?digest=${DIGEST}`], ['POST', `/v2/a/blobs/uploads/?mount=${DIGEST}&from=b`], ['PATCH', UPLOAD], ['PUT', `${UPLOAD}?digest=${DIGEST}`], ['DELETE', UPLOAD], ['PUT', '/v2/a/manifests/t']] as const;
  const deletes = [['DELETE', '/v2/a/manifests/t'], ['DELETE', `/v2/a/blobs/${DIGEST}`]] as const;

  it.each(pulls)('always lets %s %s pass', (method, url) => {
    expect(passes({ readOnly: true, deletes: 'disabled' }, method, url)).toBe(true);
  });
  it.each(pushes)('refuses %s %s to a read-only registry only', (method, url) => {
    expect(passes({ readOnly: true, deletes: 'enabled' }, method, url)).toBe(false);
    expect(passes({ readOnly: false, deletes: 'disabled' }, method, url)).toBe(true);
  });
  it.each(deletes)('refuses %s %s where deletes are off, and to a read-only registry', (method, url) => {
    expect(passes({ readOnly: true, deletes: 'enabled' }, method, url)).toBe(false);
    expect(passes({ readOnly: false, deletes: 'disabled' }, method, url)).toBe(false);
    expect(passes({ readOnly: false, deletes: 'enabled' }, method, url)).toBe(true);
  });
});
