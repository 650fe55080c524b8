import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import { type Operation, operationOf } from "./operation.js";
import { type Failure, UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/** A failure that lasts is told again after so long, in milliseconds; no upstream's more often. */
const TELL_EVERY_MS = 60_000;
/** So many tokens that are refused as malformed, before any was answered, are not all of strangers' making. */
const FIRST_TOKENS = 5;
/** How an upstream says that it could not read the request, not that the token is bad. */
const MALFORMED: readonly string[] = ["HTTP 400", "HTTP 422", "InvalidArgument"];

/** Why an upstream could not tell. Made of codes alone. */
export interface UpstreamFailure {
  readonly failure: Exclude<Failure, "refused">;
  /** The gRPC code, HTTP status or system error code. */
  readonly detail: string;
  readonly operation: Operation;
}

/** What the calls of the last minute say of an upstream: `degraded` where it does not serve some look-ups. */
export type UpstreamHealth = "ok" | "degraded" | "down";

/** How often a call of an upstream has ended in each way. */
export type OutcomeCounts = Readonly<Record<"answered" | Failure, number>>;

export interface FailureListener {
  /**
   * An upstream, or an operation of it, has failed at its first call, or has failed for a while.
   *
   * @param lastedMs for how long there was no answer; `undefined`: there has never been one
   */
  onFailing(failure: UpstreamFailure, lastedMs: number | undefined): void;
  /** Every one of the first tokens was refused as malformed. */
  onMalformed(refusal: { readonly detail: string; readonly tokens: number }): void;
}

/** Knows how the calls of an upstream end, and tells of failures that last: one line a minute, whatever fails. */
export class FailureWatch {
  readonly #clock: Clock;
  readonly #listener: FailureListener;
  readonly #counts: Record<keyof OutcomeCounts, number> = {
    answered: 0,
    refused: 0,
    unreachable: 0,
    busy: 0,
    broken: 0,
  };
  /** Operations that were answered or refused once. */
  readonly #known = new Set<Operation>();
  /** Operations without an answer or a refusal, and since when: monotonic, in milliseconds. */
  readonly #failing = new Map<Operation, number>();
  #last: (UpstreamFailure & { readonly at: number }) | undefined;
  /** Monotonic, in milliseconds. */
  #failedAt = Number.NEGATIVE_INFINITY;
  #quietUntil = Number.NEGATIVE_INFINITY;
  #malformed = 0;

  constructor(clock: Clock, listener: FailureListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** The last failure, with its wall time in milliseconds. */
  get last(): (UpstreamFailure & { readonly at: number }) | undefined {
    return this.#last;
  }

  /** One that has not failed for a minute, because nothing was asked, may be well again. */
  get health(): UpstreamHealth {
    const isOld = this.#clock.monotonic() - this.#failedAt >= TELL_EVERY_MS;
    if (isOld || this.#failing.size === 0) return "ok";
    return this.#failing.has("VerifyToken") ? "down" : "degraded";
  }

  get counts(): OutcomeCounts {
    return { ...this.#counts };
  }

  watch(inner: Transport): Transport {
    return unaryTransport(async (call) => {
      const operation = operationOf(call.method);
      try {
        const response = await forward(inner, call);
        this.#counts.answered++;
        this.#tells(operation);
        return response;
      } catch (error) {
        if (error instanceof UpstreamError && !error.notAsked) this.#failed(operation, error);
        throw error;
      }
    });
  }

  /** A line has just told of it. */
  hush(): void {
    this.#quietUntil = this.#clock.monotonic() + TELL_EVERY_MS;
  }

  #note(operation: Operation, { failure, detail, credentialRefused = false }: Noted): void {
    const now = this.#clock.monotonic();
    this.#failedAt = now;
    const isFirst = this.#last === undefined && this.#known.size === 0;
    this.#last = { failure, detail, operation, at: this.#clock.now() };
    const since = this.#failing.get(operation) ?? now;
    this.#failing.set(operation, since);
    // An upstream that is out of reach says nothing about one operation; an answer that is none does.
    const isFirstOfOperation = failure === "broken" && !this.#known.has(operation) && since === now;
    const lasts = now - since >= TELL_EVERY_MS;
    if (credentialRefused && !lasts) return; // which has a line of its own
    if (!isFirst && (now < this.#quietUntil || !(isFirstOfOperation || lasts))) return;
    this.hush();
    this.#listener.onFailing(this.#last, this.#known.has(operation) ? now - since : undefined);
  }

  #failed(operation: Operation, { failure, detail, credentialRefused }: UpstreamError): void {
    this.#counts[failure]++;
    if (failure !== "refused") return this.#note(operation, { failure, detail, credentialRefused });
    if (operation === "VerifyToken" && MALFORMED.includes(detail)) this.#refusedAsMalformed(detail);
    this.#tells(operation);
  }

  #refusedAsMalformed(detail: string): void {
    if (this.#counts.answered > 0 || this.#counts.refused !== ++this.#malformed) return;
    if (this.#malformed === FIRST_TOKENS) this.#listener.onMalformed({ detail, tokens: FIRST_TOKENS });
  }

  /** An answer or a refusal: the operation is served. */
  #tells(operation: Operation): void {
    this.#known.add(operation);
    this.#failing.delete(operation);
  }
}

type Noted = Pick<UpstreamFailure, "failure" | "detail"> & { readonly credentialRefused?: boolean };
