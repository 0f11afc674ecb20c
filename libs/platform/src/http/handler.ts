import type { OciRequest, RequestKind, RequestOf } from '@waybill/oci';
import type { Exchange } from './exchange.js';

/** Answers one kind of request. Throws RegistryError on failure; the front controller writes it (and destroys the socket where a body has begun). */
export type Handler<K extends RequestKind> = (request: RequestOf<K>, exchange: Exchange) => void | Promise<void>;

/** The table of all endpoints: a kind without a handler does not compile. */
export type Handlers = { readonly [K in RequestKind]: Handler<K> };

/** Lets a request pass or throws RegistryError. Asked before anything is looked up or read (wire-protocol G15). */
export type Guard = (request: OciRequest, exchange: Exchange) => void | Promise<void>;
