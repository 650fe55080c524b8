import type { Transport } from "@connectrpc/connect";
import type { VerifyTokenRequest } from "../../gen/auth/auth_service_pb.js";
import type { Clock } from "../runtime/clock.js";
import { FirstRefusals, type RefusedTokens } from "./first-refusals.js";
import { type Operation, operationOf } from "./operation.js";
import { MINUTE_MS, OperationRecord, type UpstreamHealth } from "./operation-record.js";
import { type Failure, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** Why an upstream could not tell. Made of codes alone. */
export interface UpstreamFailure {
  readonly failure: Exclude<Failure, "refused">;
  /** The gRPC code, HTTP status or system error code. */
  readonly detail: string;
  readonly operation: Operation;
}

export interface FailureListener {
  /**
   * An upstream, or an operation of it, has failed at its first call, or has failed for a while.
   *
   * @param lastedMs for how long there was no answer; `undefined`: there has never been one
   */
  onFailing(failure: UpstreamFailure, lastedMs: number | undefined): void;
  /** Of the calls of an operation within the last minute many have failed, and others were served. The failure is the last one. */
  onTroubled(failure: UpstreamFailure, lastMinute: { readonly calls: number; readonly failed: number }): void;
  /** Every one of the first tokens was refused. */
  onRefusingAll(refused: RefusedTokens): void;
}

/** Knows how the calls of an upstream end, and tells of failures that last: one line a minute, whatever fails. */
export class FailureWatch {
  readonly #clock: Clock;
  readonly #listener: FailureListener;
  readonly #noToken: string | undefined;
  readonly #refusals: FirstRefusals;
  readonly #records = new Map<Operation, OperationRecord>();
  #last: (UpstreamFailure & { readonly at: number }) | undefined;
  /** Monotonic, in milliseconds. */
  #quietUntil = Number.NEGATIVE_INFINITY;

  /**
   * @param on.noToken the text that is asked about where there is no token: that it is refused tells nothing of tokens
   * @param on.isShared whether there is a shared cache, which may know all good tokens. Default `false`
   */
  constructor(
    clock: Clock,
    listener: FailureListener,
    { noToken, isShared = false }: { readonly noToken?: string; readonly isShared?: boolean } = {},
  ) {
    this.#clock = clock;
    this.#refusals = new FirstRefusals(isShared);
    this.#listener = listener;
    this.#noToken = noToken;
  }

  /** The last failure, with its wall time in milliseconds. */
  get last(): (UpstreamFailure & { readonly at: number }) | undefined {
    return this.#last;
  }

  /** `down` where no token can be verified: that look-ups alone fail is less. */
  get health(): UpstreamHealth {
    const healths = new Map([...this.#records].map(([operation, { health }]) => [operation, health]));
    if (healths.get("VerifyToken") === "down") return "down";
    return [...healths.values()].every((health) => health === "ok") ? "ok" : "degraded";
  }

  watch(inner: Transport): Transport {
    return unaryTransport(async (call) => {
      try {
        const response = await forward(inner, call);
        this.#refusals.answered();
        this.#recordOf(operationOf(call.method)).served();
        return response;
      } catch (error) {
        if (error instanceof UpstreamError && !error.notAsked) this.#failed(call, error);
        throw error;
      }
    });
  }

  /** A line has just told of it. */
  hush(): void {
    this.#quietUntil = this.#clock.monotonic() + MINUTE_MS;
  }

  #failed(call: Pick<UnaryCall, "method" | "message">, error: UpstreamError): void {
    const operation = operationOf(call.method);
    const { failure, detail, credentialRefused } = error;
    if (failure !== "refused") return this.#note({ failure, detail, operation }, credentialRefused);
    this.#recordOf(operation).served(); // a refusal is a verdict
    if (operation !== "VerifyToken") return;
    const { token = "" } = call.message as Partial<VerifyTokenRequest>;
    const refused = token === this.#noToken ? undefined : this.#refusals.refused(token, detail);
    if (refused) this.#listener.onRefusingAll(refused);
  }

  #note(failed: UpstreamFailure, credentialRefused: boolean): void {
    const now = this.#clock.monotonic();
    const isFirst = this.#last === undefined && ![...this.#records.values()].some(({ isKnown }) => isKnown);
    this.#last = { ...failed, at: this.#clock.now() };
    const record = this.#recordOf(failed.operation);
    record.failed();
    // An upstream that is out of reach says nothing about one operation; an answer that is none does.
    const isFirstOfOperation = failed.failure === "broken" && !record.isKnown && record.isFirstFailure;
    const lasts = record.failingForMs >= MINUTE_MS || record.isTroubled;
    if (credentialRefused && !lasts) return; // which has a line of its own
    if (!isFirst && (now < this.#quietUntil || !(isFirstOfOperation || lasts))) return;
    this.hush();
    if (!record.isKnown) this.#listener.onFailing(this.#last, undefined);
    else if (record.failingForMs >= MINUTE_MS) this.#listener.onFailing(this.#last, record.failingForMs);
    else this.#listener.onTroubled(this.#last, record.lastMinute);
  }

  #recordOf(operation: Operation): OperationRecord {
    const record = this.#records.get(operation) ?? new OperationRecord(this.#clock);
    this.#records.set(operation, record);
    return record;
  }
}
