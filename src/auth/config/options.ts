import type { Agent } from "node:http";
import type { Interceptor, Transport } from "@connectrpc/connect";
import type { SharedStore } from "../../cache/shared-store.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { TlsOptions } from "../../runtime/tls-options.js";
import type { CredentialHeaders } from "../../transport/credentials.js";
import type { RestPaths } from "../../transport/rest-request.js";

/** The auth service over gRPC, which is asked first. */
export interface GrpcOptions {
  /**
   * `http://host:port` (HTTP/2 without TLS) or `https://host:port`; or a list of such. Every address that DNS has of a host is used. With a
   * shared cache several URLs need `cache.namespace`.
   */
  url?: string | readonly string[];
  /** Time for one call, in milliseconds. Default 1000, 20 to 300,000. */
  timeoutMs?: number;
  /** How many connections there are: one for each address, within these bounds. */
  connections?: ConnectionOptions;
  /**
   * A question that has no answer after so many milliseconds is put to another replica, too, and the first verdict counts; for one question
   * in ten, and ten more. Default 100; 0 = no question is put to two at once. For tokens that are good for one look also
   * `retry.attempts: 1`.
   */
  hedgeMs?: number;
  /** Certificates in PEM, for `https:` URLs; or a function that returns them, which is called at the start and for each connection. */
  tls?: TlsOptions | (() => TlsOptions);
  /** Connect interceptors around every gRPC call. */
  interceptors?: readonly Interceptor[];
  /**
   * Any Connect transport instead of `url`. Its codes are believed where they are the service's own, not Connect's about the network or
   * about an answer that it could not read. With a shared cache it needs `cache.namespace`.
   */
  transport?: Transport;
}

/** How many connections there are to the replicas of gRPC. */
export interface ConnectionOptions {
  /** With fewer addresses some have several: behind a virtual IP there may be many servers. Default 2, 1 to 256; `max` goes before. */
  min?: number;
  /** With more addresses so many of them are used, others in each process. Default 8, 1 to 256. */
  max?: number;
}

/** The auth service over REST: asked when gRPC cannot tell, or alone. */
export interface RestOptions {
  /** Base URL, `http:` or `https:`; the paths are appended to it. */
  url: string;
  /** Time for one request, in milliseconds. Default 2000, 20 to 300,000. */
  timeoutMs?: number;
  /** Certificates in PEM, for `https:` URLs; or a function that returns them, which is called at the start and for each connection. */
  tls?: TlsOptions | (() => TlsOptions);
  /**
   * Makes the connections, in the place of our own: for a proxy, or a unix socket (Node's `http.Agent` with a `socketPath`).
   * An agent of Node for the scheme of `url`, or one made like it; TLS settings are then its own, so not beside `tls`. It stays yours:
   * `close()` leaves it alone, only its idle connections to `url` may be dropped. `ready()` does not wait for it. With a shared cache
   * it needs `cache.namespace`: it decides which service answers.
   */
  agent?: Agent;
  /** Where each operation is answered, below `url`. */
  paths?: Partial<RestPaths>;
}

/** When an upstream is left alone. One breaker for each upstream. */
export interface BreakerOptions {
  /** Failures in a row that open it. Default 5, at least 1. */
  failureThreshold?: number;
  /** The failures must lie within this many milliseconds. Default 60,000, at least 1. */
  windowMs?: number;
  /** Milliseconds until one call may probe the upstream again. Default 30,000, at least 1. */
  recoveryMs?: number;
}

/** A question is asked again when neither upstream answered and one was out of reach. */
export interface RetryOptions {
  /** Tries in all, 1 to 10; 1 = no retry, nor is another replica asked what one may have processed. Default 3. */
  attempts?: number;
  /** Upper bound of the first wait, in milliseconds; it doubles from try to try, and the wait is a random part of it. Default 50. */
  initialDelayMs?: number;
  /** Upper bound of every wait, in milliseconds. Default 1000. */
  maxDelayMs?: number;
}

/** How much is asked of the auth service at once. Cached answers are never queued. */
export interface LimitOptions {
  /**
   * Verifications and look-ups under way, at most. The limit falls while the auth service is slow or times out, to 16 or to this if that
   * is less, and rises again. A quarter is for known users alone, an eighth for strangers alone. Default 256, at least 1.
   */
  maxConcurrent?: number;
  /**
   * More may wait: so many of known users, and as many of strangers, and no more than can be asked before the deadline; beyond that the
   * answer is `overloaded`. Default 1024; 0 = none waits.
   */
  maxQueue?: number;
}

/** The Redis of the shared cache. */
export interface RedisOptions {
  /**
   * `redis://user:password@host:port/number`, `redis+cluster://user:password@a:6379,b:6379` or
   * `redis+sentinel://user:password@s1:26379,s2:26379/mymaster/number?sentinel_username=…&sentinel_password=…`; or one of them with
   * `rediss` for TLS. User and password are encoded.
   */
  url: string;
  /** Certificates in PEM, for URLs that begin with `rediss`; or a function that returns them, which is called at the start and for each connection. */
  tls?: TlsOptions | (() => TlsOptions);
  /**
   * After so many milliseconds without a word from Redis it is pinged. Default 10,000, at least 1. An operation notices at once that it
   * is gone, whatever this says.
   */
  pingIntervalMs?: number;
}

/**
 * What is cached, where and how long. Each TTL is up to 10 % shorter at random; 0 = not cached. In a shared cache, an entry lives for
 * 24 h after it was asked for at most, whatever its TTL and `staleIfErrorMs`.
 */
export interface CacheOptions {
  /** Entries in the process. Default 20,000, 1 to 16,777,216. */
  maxEntries?: number;
  /** Their size in bytes, roughly. Default 67,108,864 (64 MiB), at least 1. */
  maxBytes?: number;
  /**
   * Entries of one user's tokens in the process, at least 1; they also take at most an eighth of `maxBytes`. More push out that user's
   * own, the oldest first. Raise it for service accounts with many tokens. Default: an eighth of `maxEntries`.
   */
  maxTokensPerUser?: number;
  /**
   * `Authorization` headers that were let in within the last two minutes, in bytes, roughly: their texts are kept in memory, so that a hit
   * behind a proxy need not hash its token. Each hit is still looked up in the cache. Default 16,777,216 (16 MiB); 0 = none is kept.
   */
  recentBytes?: number;
  /** A verified token, in milliseconds; never past the token's own `exp`. Default 300,000. */
  ttlMs?: number;
  /** A user's locals, in milliseconds. Default 3,600,000. */
  localsTtlMs?: number;
  /** A user's permissions, in milliseconds. Default 300,000. */
  permissionsTtlMs?: number;
  /** An organization, in milliseconds. Default 3,600,000. */
  organizationTtlMs?: number;
  /** A refused token, in milliseconds, in this process only. Default 10,000. */
  refusalTtlMs?: number;
  /** Longest stay in the process when there is a shared cache, in milliseconds. Default 30,000. */
  processTtlMs?: number;
  /**
   * How long an expired entry is still served while the service is unavailable, or while there is no place to ask it (`overloaded`), in
   * milliseconds; never past `exp`, never after a refusal. Default 0 = never.
   */
  staleIfErrorMs?: number;
  /** A shared cache on Redis: a URL as `redis.url` takes it. The short form of `redis: { url }`. */
  redisUrl?: string;
  /** A shared cache on Redis, with TLS and pings. Either this or `redisUrl`. */
  redis?: RedisOptions;
  /** Any Keyv, or anything with its `get`, `set` and `delete`, as the shared cache instead. */
  store?: SharedStore;
  /**
   * Keeps entries of different auth services, and environments, apart in one store. Default: the URLs of the upstreams, and
   * `rest.paths` where they are not the default ones. Needed with a shared cache where something else shapes answers: user-info in a
   * URL, a query in `rest.paths`, several URLs of gRPC, `headers`, `grpc.interceptors`, `grpc.transport`, `rest.agent`.
   */
  namespace?: string;
  /**
   * At least 32 bytes, 8 of them different. With it the shared cache's keys are HMACs and its entries are sealed (AES-256-GCM), so that
   * an attacker who can write to the store cannot make a user. A list for rotation: the first one writes, all of them read.
   */
  secret?: string | readonly string[];
}

/** Everything is optional but one upstream. Times are in milliseconds. */
export interface AuthClientOptions {
  grpc?: GrpcOptions;
  rest?: RestOptions;
  breaker?: BreakerOptions;
  retry?: RetryOptions;
  limit?: LimitOptions;
  cache?: CacheOptions;
  /** The service's own credentials on every call to both upstreams: headers that are not empty, or a function that fetches them. */
  headers?: CredentialHeaders;
  /** The largest answer, in bytes; a larger one counts as none. Default 1,048,576 (1 MiB), at least 1. */
  maxAnswerBytes?: number;
  /**
   * Time for one question to the auth service: queue, tries, waits. Default: the sum of the upstreams' timeouts; at most 300,000. A
   * shorter one is shared between them in proportion to their timeouts. The look into a shared cache comes before: 0.1 s at most, when
   * that is silent.
   */
  deadlineMs?: number;
  /**
   * Settings that are only warned about otherwise are errors. `true`: a shared cache without `cache.secret`, and `http:` or `redis:` to a
   * host that is not local. `"cache"`: the first alone, for meshes. Local is a loopback or private address, a name without a dot, or
   * one below `.local`, `.internal`, `.svc`. Default `false`.
   */
  strict?: boolean | "cache";
  /**
   * What counts as a token, in place of a `token68` (RFC 7235 §2.1): it must match the whole token. Blanks, commas, controls and what is
   * not ASCII are refused whatever it says. Its `g`, `m` and `y` are ignored. Holds for all that is done with this client; what does not
   * match is `invalid_request`, and the service is not asked. It reads whatever clients send: with a pattern that backtracks, a short text
   * can cost a long time.
   */
  tokenSyntax?: RegExp;
  /**
   * Longest token, in bytes. Default 8192, 1 to 1,048,576. Node takes 16 KiB of headers in all: beyond that it needs
   * `--max-http-header-size`.
   */
  maxTokenBytes?: number;
  /** Told of transitions, and when an upstream has never answered. Default `console`; `false` = silent. */
  logger?: Logger | false;
  /** Time, for tests and simulations. Default: the machine's. */
  clock?: Clock;
  /** Random numbers from 0 (included) to 1 (excluded), for tests and simulations. Default `Math.random`. */
  random?: () => number;
}
