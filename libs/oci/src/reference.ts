import type { Digest } from './digest.js';
declare const brand: unique symbol;
export type Tag = string & { readonly [brand]: 'Tag' };
export type Reference = Tag | Digest;
