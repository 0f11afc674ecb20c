const DEFAULT_LIMIT = 100;

/** The arguments of a list. */
export function pageQuery({ limit, last }: { readonly limit?: string | undefined; readonly last?: string | undefined }): [limit: number, last?: string] {
  const size = limit === undefined ? DEFAULT_LIMIT : Number(limit);
  return last === undefined ? [size] : [size, last];
}
