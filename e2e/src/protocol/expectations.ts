import type { HttpAnswer } from '@waybill/testing';

/** The answer is the spec's error document with `code` first (G7), or an empty body where it answers a HEAD. */
export function expectError(answer: HttpAnswer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.errorCodes()[0] }).toEqual({ status, code });
  expect(answer.header('Content-Type')).toBe('application/json');
  expect(answer.header('Docker-Distribution-Api-Version')).toBe('registry/2.0');
  for (const error of answer.errors()) expect(error.message).toEqual(expect.stringMatching(/\S/));
}

/** The same for a request that may be refused in several ways; `allowed` holds `status CODE`. */
export function expectOneOf(answer: HttpAnswer, allowed: readonly string[]): void {
  expect(allowed).toContain(`${answer.status} ${answer.errorCodes()[0] ?? ''}`.trim());
}

/** The status, with the whole answer in the message when it is another one. */
export function expectStatus(answer: HttpAnswer, status: number): void {
  if (answer.status !== status) throw new Error(`Expected status ${status}, got ${answer}`);
}

/** `201` for a blob: where it is, and which it is (rows 4b, 6, 11). */
export function expectBlobCreated(answer: HttpAnswer, repository: string, digest: string): void {
  expectStatus(answer, 201);
  expect(answer.header('Location')).toBe(`/v2/${repository}/blobs/${digest}`);
  expect(answer.header('Docker-Content-Digest')).toBe(digest);
  expect(answer.header('Content-Length')).toBe('0');
}

/** An open session (rows 4a, 5, 13): `received` bytes are there. */
export function expectSession(answer: HttpAnswer, status: number, repository: string, received: number): void {
  expectStatus(answer, status);
  const session = answer.header('Docker-Upload-UUID');
  expect(session).toEqual(expect.stringMatching(/^[A-Za-z0-9_-]{16,}$/));
  expect(answer.header('Location')).toEqual(expect.stringContaining(`/v2/${repository}/blobs/uploads/${session}`));
  expect(answer.header('Range')).toBe(`0-${Math.max(received - 1, 0)}`);
  if (status !== 204) expect(answer.header('Content-Length')).toBe('0');
  expect(answer.body).toHaveLength(0);
}

/** The path and query of the next page, or undefined where the answer says that there is none. */
export function nextPage(answer: HttpAnswer): string | undefined {
  const link = answer.header('Link');
  if (link === undefined) return undefined;
  const match = /^<([^>]+)>; rel="next"$/.exec(link);
  if (match?.[1] === undefined) throw new Error(`Expected a Link of the form <url>; rel="next", got ${link}`);
  return match[1];
}
