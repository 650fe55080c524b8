import { TLS_SETTINGS_FAILED } from "../runtime/tls-options.js";

/** The two ways to the auth service. */
export type Upstream = "grpc" | "rest";

/**
 * How a call that brought no answer ended:
 * - `refused`: a verdict. Final; the upstream is healthy.
 * - `unreachable`: it could not be asked, or did not answer. Falls back, may be retried, counts against the upstream.
 * - `busy`: a live upstream has no room for this call. Falls back, may be retried after its `Retry-After`, counts nothing.
 * - `broken`: an answer that is none. Falls back, is never retried; whether it counts is for the failover to say.
 */
export type Failure = "refused" | "unreachable" | "busy" | "broken";

export interface UpstreamErrorOptions {
  /** It ran into its timeout. */
  timedOut?: boolean;
  /** The network failed, the upstream said nothing: one such event can end many calls at once, and counts once. */
  network?: boolean;
  /** The upstream certainly did not process the call: it may be asked again at once, on another connection (RFC 9113 §8.7). */
  unprocessed?: boolean;
  /** No connection could be made for it: another replica may be asked at once, and the same one not. */
  unconnected?: boolean;
  /** See {@link UpstreamError.unconfirmed}. */
  unconfirmed?: boolean;
  /** Our side failed, by replacing the connection or without room for one ({@link isOurs}): it says nothing about the upstream. */
  ours?: boolean;
  /** The upstream asked to be left alone for this many milliseconds. */
  retryAfterMs?: number;
  /** The upstream does not have the operation, but is well: a sign of life, and no more (UNIMPLEMENTED). */
  healthy?: boolean;
  /** It was our own credential, not the user, that was refused. */
  credentialRefused?: boolean;
  /** It was not asked at all: its breaker is open, or there was no time left for it. */
  notAsked?: boolean;
}

/**
 * A call of one upstream that brought no answer.
 *
 * Its message is made of codes alone, and it keeps no cause: what an upstream writes, and what an HTTP client attaches to its
 * errors, can hold the token.
 */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly timedOut: boolean;
  readonly network: boolean;
  readonly unprocessed: boolean;
  readonly unconnected: boolean;
  readonly ours: boolean;
  readonly retryAfterMs: number | undefined;
  readonly healthy: boolean;
  readonly credentialRefused: boolean;
  readonly notAsked: boolean;
  /**
   * One replica alone could not tell, and another one answers, or would have been asked, had there been a budget for it: it says nothing
   * about the upstream as a whole. Set by the stage that balances, before it passes the failure up.
   */
  unconfirmed: boolean;
  /**
   * On a broken answer: tells the breaker whether the other upstream answered the same question, and this one is to blame. Set by the
   * breaker, called by the failover, which alone learns that.
   */
  blame: ((otherAnswered: boolean) => void) | undefined;

  constructor(
    readonly upstream: Upstream,
    readonly failure: Failure,
    /** The gRPC code, HTTP status or system error code. */
    readonly detail: string,
    options: UpstreamErrorOptions = {},
  ) {
    super(`${upstream === "grpc" ? "gRPC" : "REST"}: ${failure} (${detail})`);
    this.timedOut = options.timedOut ?? false;
    this.network = options.network ?? false;
    this.unprocessed = options.unprocessed ?? false;
    this.unconnected = options.unconnected ?? false;
    this.ours = options.ours ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.healthy = options.healthy ?? false;
    this.credentialRefused = options.credentialRefused ?? false;
    this.notAsked = options.notAsked ?? false;
    this.unconfirmed = options.unconfirmed ?? false;
  }
}

const unconfirmed = new WeakSet<object>();

/**
 * Says of a timeout what {@link UpstreamError.unconfirmed} says of a failure.
 *
 * @param reason of the signal that ended the call
 */
export function setUnconfirmed(reason: unknown): void {
  if (typeof reason === "object" && reason !== null) unconfirmed.add(reason);
}

export function isUnconfirmed(reason: object): boolean {
  return unconfirmed.has(reason);
}

/** Whether an upstream says by this code that it could not read the request, and not that a token is bad. */
export function isMalformed(code: string): boolean {
  return /^(HTTP (400|422)|InvalidArgument)$/.test(code);
}

const bareHttp = new WeakMap<UpstreamError, string>();

/** Notes what came over HTTP/2 in the place of gRPC, as `HTTP 200, text/html`: for a diagnosis alone, and in no text of the error. */
export function withBareHttp(error: UpstreamError, says: string | undefined): UpstreamError {
  if (says !== undefined) bareHttp.set(error, says);
  return error;
}

export function bareHttpOf(error: UpstreamError | undefined): string | undefined {
  return error && bareHttp.get(error);
}

const OUR_FAILURES: readonly string[] = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", TLS_SETTINGS_FAILED];

/**
 * Whether a system error tells of our own process or machine: no files or no memory left for another connection, or no TLS settings to
 * make it with.
 */
export function isOurs(code: string | undefined): boolean {
  return code !== undefined && OUR_FAILURES.includes(code);
}

/** What a call gets that a breaker does not let through. */
export function breakerOpen(upstream: Upstream, retryAfterMs: number): UpstreamError {
  return new UpstreamError(upstream, "unreachable", "breaker open", { notAsked: true, retryAfterMs });
}

/** One upstream was out of reach; or busy, and none out of reach; or only our own side was in the way. */
export type RetryReason = "outage" | "busy" | "ours";

/** No upstream could answer. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";

  constructor(readonly failures: readonly UpstreamError[]) {
    super(failures.map((failure) => failure.message).join("; ") || "no upstream could be asked");
  }

  /** Whether asking again can help: an upstream that was asked did more than talk nonsense. */
  get retryable(): boolean {
    return this.retryReason !== undefined;
  }

  /** Why it can. */
  get retryReason(): RetryReason | undefined {
    const asked = this.failures.filter(({ notAsked }) => !notAsked);
    if (asked.some(({ failure, ours }) => failure === "unreachable" && !ours)) return "outage";
    if (asked.some(({ failure }) => failure === "busy")) return "busy";
    return asked.some(({ ours }) => ours) ? "ours" : undefined;
  }

  /** The shortest time after which one of the upstreams may answer again, in milliseconds: what to tell our own caller. */
  get retryAfterMs(): number {
    return this.failures.length === 0 ? 0 : Math.min(...this.failures.map(({ retryAfterMs = 0 }) => retryAfterMs));
  }

  /** How long the upstreams that were asked want to be left alone, in milliseconds. */
  get requestedDelayMs(): number {
    return Math.max(0, ...this.failures.map(({ notAsked, retryAfterMs = 0 }) => (notAsked ? 0 : retryAfterMs)));
  }
}

/** Too many calls are under way and waiting. */
export class OverloadedError extends Error {
  override readonly name = "OverloadedError";

  constructor(
    reason: string,
    /** When there may be room again, in milliseconds. */
    readonly retryAfterMs: number,
  ) {
    super(reason);
  }
}
