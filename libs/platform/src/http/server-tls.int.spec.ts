import { hasOpenssl } from './testing/certificate-authority.js';
import { overTls } from './testing/http-fixture.js';

/** Every promise of the server and its connections, over TLS. */
if (!hasOpenssl()) it.skip('openssl is missing', () => undefined);
else {
  overTls();
  await import('./server.int.spec.js');
  await import('./connections.int.spec.js');
  await import('./host-header.int.spec.js');
}
