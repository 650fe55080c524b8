import { getEventListeners } from "node:events";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import type { Clock } from "../../src/runtime/clock.js";
import { Standing } from "../../src/runtime/standing.js";
import { createCallContext } from "../../src/transport/call-context.js";
import { type Failure, type Upstream, UpstreamError, type UpstreamErrorOptions } from "../../src/transport/outcome.js";
import { type UnaryCall, unaryTransport } from "../../src/transport/stage.js";

/** What a fake upstream does with one call: answers, rejects, or holds it until the test decides. */
export type Behaviour = "answer" | "hold" | Error;

interface Held {
  readonly call: UnaryCall;
  answer(): void;
  fail(error: Error): void;
}

/** An upstream in memory. It notes what it was asked, and does what it is told. */
export class FakeUpstream {
  readonly calls: UnaryCall[] = [];
  /** When each of them began, in milliseconds from when this was made. */
  readonly begun: number[] = [];
  /** Calls that wait for the test, oldest first. */
  readonly held: Held[] = [];
  /** For calls that no {@link script} speaks of. */
  behaviour: Behaviour = "answer";
  /** For the next calls, one each. */
  readonly script: Behaviour[] = [];

  readonly #clock: Clock;
  readonly #made: number;

  /** @param userId who every token belongs to: it tells whose answer it was */
  constructor(
    readonly userId: string,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#made = clock.monotonic();
  }

  readonly transport = unaryTransport(<I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) => {
    this.calls.push(call as unknown as UnaryCall);
    this.begun.push(this.#clock.monotonic() - this.#made);
    const behaviour = this.script.shift() ?? this.behaviour;
    if (behaviour instanceof Error) return Promise.reject(behaviour);
    const response = this.#response(call);
    if (behaviour === "answer") return Promise.resolve(response);
    return new Promise<UnaryResponse<I, O>>((resolve, reject) => {
      this.held.push({ call: call as unknown as UnaryCall, answer: () => resolve(response), fail: reject });
    });
  });

  #response<I extends DescMessage, O extends DescMessage>({ method }: UnaryCall<I, O>): UnaryResponse<I, O> {
    const answer = { userId: this.userId, organizationId: "org-1", id: "org-1", isActive: true }; // each message takes what it has
    const message = create(method.output, answer as unknown as MessageInitShape<O>);
    return { stream: false, service: method.parent, method, header: new Headers(), message, trailer: new Headers() };
  }
}

/** A failure that an upstream's transport would report. */
export function failure(upstream: Upstream, kind: Failure, options?: UpstreamErrorOptions): UpstreamError {
  return new UpstreamError(upstream, kind, "by the test", options);
}

export interface AskOptions {
  clock: Clock;
  deadlineMs?: number;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** A known user asks. Default `false`: a stranger. */
  known?: boolean;
  /** Default: by `known`. */
  standing?: Standing;
  /** Told of each try. */
  onTry?: (isBeside: boolean) => void;
  /** Told how long it waited for a place, in milliseconds. */
  onQueued?: (ms: number) => void;
}

/** Asks a stage whose token it is; resolves to the user's id. */
export async function ask(stage: FakeUpstream["transport"], options: AskOptions): Promise<string> {
  const { clock, deadlineMs = Number.POSITIVE_INFINITY, signal, timeoutMs, known, onTry, onQueued } = options;
  const { standing = new Standing(known ? "ana" : undefined) } = options;
  const context = createCallContext(clock.monotonic() + deadlineMs, { standing, onTry, onQueued });
  const { message } = await stage.unary(
    AuthService.method.verifyToken,
    signal,
    timeoutMs,
    undefined,
    { token: "token-ana" },
    context,
  );
  return message.userId;
}

/** A promise, and how it stands: to say that something has not happened yet. */
export function watched<T>(promise: Promise<T>) {
  const seen: { state: "pending" | "fulfilled" | "rejected"; value?: T; error?: unknown } = { state: "pending" };
  promise.then(
    (value) => Object.assign(seen, { state: "fulfilled", value }),
    (error: unknown) => Object.assign(seen, { state: "rejected", error }),
  );
  return seen;
}

/** A signal that never aborts, and how many listen to it. */
export function unheard() {
  const { signal } = new AbortController();
  return { signal, listeners: () => getEventListeners(signal, "abort").length };
}
