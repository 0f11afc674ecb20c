declare const brand: unique symbol;
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' };
