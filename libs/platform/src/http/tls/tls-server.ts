import { constants } from 'node:crypto';
import type { ServerOptions } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { errorCode } from '../../error-code.js';
import { Handshakes } from './handshakes.js';
import type { TlsMaterial, TlsSettings } from './tls-material.js';

/** Why a handshake came to nothing. */
export type TlsErrorReason = 'tls_handshake' | 'tls_handshake_timeout' | 'tls_client_certificate' | 'tls_plain_http';

export interface TlsListener {
  readonly settings: TlsSettings;
  readonly material: TlsMaterial;
}

/** Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else. The client chooses: it knows whether it has AES in hardware. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** A node:https server that does not listen yet. HTTP/1.1 only (ADR 0026). */
export function createTlsServer(options: ServerOptions, { settings, material }: TlsListener): Server {
  return createServer({
    ...options,
    ...contextOptions(settings, material),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: settings.handshakeTimeoutMs,
    requestCert: settings.clientCerts !== 'none',
    rejectUnauthorized: settings.clientCerts === 'require',
  });
}

/**
 * Handshakes from now on use `material`; connections that are open go on. Its tickets are made with new keys, so a session from before is not
 * resumed: resuming one would skip the judgement of the client's certificate.
 */
export function renewContext(server: Server, settings: TlsSettings, material: TlsMaterial): void {
  server.setSecureContext(contextOptions(settings, material));
}

function contextOptions({ minVersion }: TlsSettings, { cert, key, ca, crl }: TlsMaterial): SecureContextOptions {
  return {
    cert,
    key,
    minVersion,
    ciphers: CIPHERS,
    honorCipherOrder: false,
    // a renegotiation costs the server what a handshake costs, and no client of a registry asks for one
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(ca === undefined ? {} : { ca }),
    ...(crl === undefined ? {} : { crl }),
  };
}

export interface HandshakeListeners {
  /** A handshake is done; `wire` is the TCP connection below. */
  readonly onSecure: (socket: TLSSocket, wire: Socket) => void;
  readonly onFailed: (reason: TlsErrorReason) => void;
  /** A whole answer, for a client that speaks plain http. */
  readonly plainAnswer: string;
}

/** Follows each connection through its handshake. Whatever a client sends there, its connection ends and nothing else. */
export function followHandshakes(server: Server, { onSecure, onFailed, plainAnswer }: HandshakeListeners): Handshakes {
  const handshakes = new Handshakes();
  server.on('connection', (wire: Socket) => {
    // an answer to plain http may be written to a connection that is gone; nobody else listens
    wire.on('error', () => undefined);
    handshakes.begin(wire);
  });
  server.on('secureConnection', (socket) => {
    const wire = handshakes.end(socket);
    if (wire === undefined) socket.destroy();
    else onSecure(socket, wire);
  });
  // node's own would make a fault of HTTP out of it
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (error, socket) => {
    const wire = handshakes.end(socket);
    const reason = reasonOf(error, socket);
    onFailed(reason);
    // before the socket goes: the kernel has so short a text at once
    if (reason === 'tls_plain_http' && wire?.writable === true) wire.write(plainAnswer);
    socket.destroy();
  });
  return handshakes;
}

function reasonOf(error: Error, socket: TLSSocket): TlsErrorReason {
  const code = errorCode(error) ?? '';
  if (code === 'ERR_SSL_HTTP_REQUEST') return 'tls_plain_http';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'tls_handshake_timeout';
  return code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' || Boolean(socket.authorizationError) ? 'tls_client_certificate' : 'tls_handshake';
}
