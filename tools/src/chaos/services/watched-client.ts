import { RegistryClient, type HttpAnswer, type HttpRequest } from '@waybill/testing';

/** What may be answered while something is broken: done, not there, the upload stands elsewhere, or come back later. */
const EXPECTED = new Set([200, 201, 202, 204, 206, 307, 404, 416, 503]);

/** Looks at every answer: trouble behind the registry is told as 503 with Retry-After and as nothing else. */
export class WatchedClient extends RegistryClient {
  readonly violations: string[] = [];
  /** Milliseconds that the slowest answer took. */
  slowest = 0;
  answers = 0;

  /** @param mayForget whether the database crashed so lately that it may have forgotten an upload: those do not wait for the disk */
  constructor(baseUrl: string, private readonly mayForget: () => boolean) {
    super(baseUrl);
  }

  override async send(request: HttpRequest): Promise<HttpAnswer> {
    const began = performance.now();
    const answer = await super.send(request);
    this.slowest = Math.max(this.slowest, performance.now() - began);
    this.answers++;
    const about = `${request.method} ${request.path} was answered with ${answer.toString()}`;
    if (!EXPECTED.has(answer.status)) this.violations.push(about);
    if (answer.status === 503 && answer.header('Retry-After') === undefined) this.violations.push(`${about}, without Retry-After`);
    // no upload is cancelled, and none is so old that it expires
    if (answer.status === 404 && request.method !== 'DELETE' && request.path.includes('/blobs/uploads/') && !this.mayForget()) this.violations.push(`${about}: the upload had been acknowledged`);
    return answer;
  }
}
