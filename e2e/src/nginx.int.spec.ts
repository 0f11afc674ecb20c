import { readFileSync } from 'node:fs';
import { requireBinaries } from '@waybill/testing';
import { describeLoadBalancer } from './load-balancer/describe-load-balancer.js';
import { startNginx } from './load-balancer/nginx.js';

const pattern = new RegExp(/"~(\S+)" \$blobs;/.exec(readFileSync('deploy/nginx/nginx.conf', 'utf8'))?.[1] ?? 'the pattern is not there');

const binaries = requireBinaries('nginx');
if (binaries === undefined) it.skip('nginx is missing', () => undefined);
else {
  describeLoadBalancer({
    start: (deployment) => startNginx(binaries.nginx, deployment),
    toBlobs: (url) => pattern.test(url),
    namesAreOldMs: 2_100,
    server: 'nginx',
    triedOnce: ['PUT', 'DELETE'],
    refusal: /content-type: application\/json[^]*\{"errors":\[\{"code":"UNSUPPORTED"/i,
    refusals: [
      ['a line that is none', 'GARBAGE\r\n\r\n', 400],
      ['no host', 'GET /v2/ HTTP/1.1\r\n\r\n', 400],
      ['a path above the root', 'GET /../v2/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
      ['two lengths', 'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
      ['a length beside chunks', 'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
      ['a header of 70 KiB', `GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`, 400],
      ['a path of 70 KiB', `GET /v2/${'a'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
      ['another coding', 'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
    ],
  });
}
