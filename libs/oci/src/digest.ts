declare const brand: unique symbol;
/** `algorithm:encoded`, checked: sha256 with 64 or sha512 with 128 lower-case hex digits. Made only by parseDigest. */
export type Digest = string & { readonly [brand]: 'Digest' };
