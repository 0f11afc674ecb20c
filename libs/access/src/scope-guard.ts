import type { IncomingMessage } from 'node:http';
import { DependencyUnavailable, denied, requiredScopes, unauthorized } from '@waybill/oci';
import type { OciRequest, RequestOf } from '@waybill/oci';
import type { Caller, Exchange, Guard, TrustedProxies } from '@waybill/platform';
import type { Actors } from './actors.js';
import { authorizationOf } from './authorization.js';
import { bearerChallenge } from './challenge.js';
import type { Authority, ChallengeError } from './challenge.js';
import type { AskAgain } from './mount-sources.js';
import { judgeRequest } from './request-rights.js';
import type { Revocations } from './revocations.js';
import { InvalidToken } from './token-verifier.js';
import type { TokenVerifier, VerifiedToken } from './token-verifier.js';
import { appendsEvents } from './written-events.js';

export interface ScopeGuardOptions {
  readonly verifier: TokenVerifier;
  /** Where the client of this request gets a token. */
  readonly authority: (request: IncomingMessage) => Authority;
  readonly revocations: Revocations;
  readonly actors: Actors;
  /** Whose word counts for where a client is. */
  readonly trusted: TrustedProxies;
  readonly askAgain: AskAgain;
  /** Asked about a request without a token: what its client may do who has shown in another way who it is. Undefined where it has not. */
  readonly vouched?: (request: OciRequest, exchange: Exchange) => Promise<VerifiedToken | undefined> | undefined;
}

/** Seconds after which a process that heard nothing of revocations takes no token of ours any more. */
const MAX_AGE = 30;
const RETRY_AFTER = 5;

/**
 * Lets a request pass whose token grants what it needs (wire-protocol section 4), before anything is looked up: a repository that the caller may not see and
 * one that is not there are the same to it. Without a token the answer is always the challenge, also for what everybody may read: a client that meets a 200
 * on `/v2/` never asks for a token again (4.1). The token is looked at when a request begins, and cuts nothing off later (4.9).
 */
export function scopeGuard(options: ScopeGuardOptions): Guard {
  return (request, exchange) => {
    const token = tokenOf(request, exchange, options);
    return token instanceof Promise ? token.then((found) => admit(request, exchange, found, options)) : admit(request, exchange, token, options);
  };
}

function tokenOf(request: OciRequest, exchange: Exchange, options: ScopeGuardOptions): VerifiedToken | Promise<VerifiedToken> {
  const authorization = authorizationOf(exchange.request);
  const refuse = (message: string, error?: ChallengeError): Error => challenged(request, exchange, options, message, error);
  if (authorization.kind === 'none') return vouchedFor(request, exchange, options);
  if (authorization.kind === 'malformed') throw refuse(authorization.reason, 'invalid_token');
  if (authorization.kind === 'basic') throw refuse('send login and password to the realm of the challenge, and its token here', 'invalid_token');
  const invalid = (error: unknown): unknown => (error instanceof InvalidToken ? refuse(error.message, 'invalid_token') : error);
  try {
    const verified = options.verifier.verify(authorization.text);
    return verified instanceof Promise ? verified.catch((error: unknown) => { throw invalid(error); }) : verified;
  } catch (error) {
    throw invalid(error);
  }
}

/**
 * A certificate of the client in the place of a token. Not on `/v2/` itself, where clients learn that there are tokens: one that has a login beside its
 * certificate would never use it. Nobody learns whether a certificate names somebody.
 */
function vouchedFor(request: OciRequest, exchange: Exchange, options: ScopeGuardOptions): Promise<VerifiedToken> {
  const refused = (): Error => challenged(request, exchange, options, 'this registry needs a token: log in, or let the client get one from the realm of the challenge');
  const vouched = request.kind === 'ping' ? undefined : options.vouched?.(request, exchange);
  if (vouched === undefined) throw refused();
  return vouched.then((found) => {
    if (found === undefined) throw refused();
    return found;
  });
}

function admit(request: OciRequest, exchange: Exchange, token: VerifiedToken, options: ScopeGuardOptions): void | Promise<void> {
  refuseRevoked(request, exchange, token, options);
  // also of whoever is refused: the audit says who it was
  exchange.caller = callerOf(token);
  refuseElsewhere(request, exchange, token, options);
  const verdict = judgeRequest(request, token.rights);
  if (verdict.kind === 'denied') throw denied(verdict.message);
  if (verdict.kind === 'insufficient') throw insufficient(request, exchange, options);
  exchange.conditions = verdict.conditions;
  if (!appendsEvents(request)) return undefined;
  // one after the other: a promise that nobody waits for, because the other look refused, ends the process when it fails
  const asked = request.kind === 'mountBlob' ? askForSource(request, exchange, token, options) : undefined;
  return asked === undefined ? nameActor(exchange, token, options) : asked.then(() => nameActor(exchange, token, options));
}

/** @throws OciError UNAUTHORIZED; DependencyUnavailable where revocations are not known to this process */
function refuseRevoked(request: OciRequest, exchange: Exchange, { claims }: VerifiedToken, options: ScopeGuardOptions): void {
  if (claims.waybill === undefined) return;
  if (options.revocations.age() > MAX_AGE) throw new DependencyUnavailable('the list of tokens that were taken back', undefined, RETRY_AFTER);
  if (options.revocations.isRevoked(claims.waybill)) throw challenged(request, exchange, options, 'the token was taken back: get a new one', 'invalid_token');
}

/** What a token rests on may count from some addresses only: from another one its bearer needs a new one. @throws OciError UNAUTHORIZED */
function refuseElsewhere(request: OciRequest, exchange: Exchange, { from }: VerifiedToken, options: ScopeGuardOptions): void {
  if (from === undefined || from.has(options.trusted.client(exchange.request).address)) return;
  throw challenged(request, exchange, options, 'the token does not count from this address: get a new one', 'insufficient_scope');
}

/** 401 where a token that grants reading from the source can be had; without it the mount becomes an upload (4.6). */
function askForSource(request: RequestOf<'mountBlob'>, exchange: Exchange, token: VerifiedToken, options: ScopeGuardOptions): void | Promise<void> {
  const { from, repository } = request;
  if (from === undefined || from === repository || exchange.conditions.pulls?.includes(from) !== false) return undefined;
  const again = options.askAgain(token, from);
  if (again === true) throw insufficient(request, exchange, options);
  if (again === false) return undefined;
  return again.then((yes) => {
    if (yes) throw insufficient(request, exchange, options);
  });
}

function callerOf({ claims }: VerifiedToken): Caller {
  const own = claims.waybill;
  if (own !== undefined) return { principal: own.principal, kind: own.kind, actor: own.kind === 'user' || own.kind === 'robot' ? own.principal : null };
  return claims.sub === '' ? { principal: '', kind: 'anonymous', actor: null } : { principal: `external:${claims.sub}`, kind: 'external', actor: null };
}

function nameActor(exchange: Exchange, { claims }: VerifiedToken, { actors }: ScopeGuardOptions): void | Promise<void> {
  const { caller } = exchange;
  if (caller.kind !== 'external' && caller.kind !== 'htpasswd') return undefined;
  const ref = actors.refOf(caller.kind, claims.sub);
  if (typeof ref !== 'string') return ref.then((actor) => void (exchange.caller = { ...caller, actor }));
  exchange.caller = { ...caller, actor: ref };
}

function insufficient(request: OciRequest, exchange: Exchange, options: ScopeGuardOptions): Error {
  return challenged(request, exchange, options, 'the token does not grant this: get one with the scope of the challenge, if your access has it', 'insufficient_scope');
}

function challenged(request: OciRequest, exchange: Exchange, { authority }: ScopeGuardOptions, message: string, error?: ChallengeError): Error {
  return unauthorized(bearerChallenge(authority(exchange.request), requiredScopes(request), error), message);
}
