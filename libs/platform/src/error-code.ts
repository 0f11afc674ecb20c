/** The `code` of a system or driver error, such as ENOENT; undefined where there is none. Works for errors of another realm too. */
export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
