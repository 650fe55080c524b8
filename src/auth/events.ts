import { EventEmitter } from "node:events";
import { channels } from "../runtime/channels.js";
import type { BreakerState } from "../runtime/circuit-breaker.js";
import { isPromise } from "../runtime/is-promise.js";
import type { Logger } from "../runtime/logger.js";
import type { Fallback } from "../transport/failover.js";
import type { Upstream } from "../transport/outcome.js";
import type { ReplicaState } from "../transport/replica.js";
import { show } from "./config/config-error.js";
import { nearest } from "./config/nearest.js";
import { EventCounts } from "./event-counts.js";

/** The events of a client, and their details. None holds a token. */
export interface AuthClientEvents {
  /** The breaker of an upstream moved. */
  breaker: { readonly upstream: Upstream; readonly from: BreakerState; readonly to: BreakerState };
  /** A question went to REST, because gRPC could not tell. */
  fallback: Fallback;
  /**
   * An upstream began to refuse every user, or accepted one again: five users in a row, within 60 s and without an answer between, were
   * refused with what it had accepted before.
   */
  refusals: { readonly upstream: Upstream; readonly refusing: boolean };
  /**
   * A replica of gRPC moved. `connecting`: it has no connection, and gets one with the next question. `out`: it failed three times in a row,
   * or was outrun by another, and is left alone for a while.
   */
  replica: {
    readonly upstream: Upstream;
    /** `10.0.0.7:50051`. */
    readonly address: string;
    readonly from: ReplicaState;
    readonly to: ReplicaState;
    /** Made of codes alone. */
    readonly reason: string;
  };
  /**
   * The shared cache, or the log of invalidations that lies beside it, went away, or came back. A Redis Cluster is away with all of its
   * masters, and back with the first of them.
   */
  cache: { readonly tier: "shared" | "log"; readonly available: boolean };
  /**
   * Something was invalidated with this client (`here`), or by another process on the same shared cache (`log`). `refusal`: the service
   * refused a token that the other process held.
   */
  invalidation: {
    readonly by: "here" | "log";
    readonly kind: "token" | "user" | "organization" | "refusal";
  };
}

const NAMES: Readonly<Record<keyof AuthClientEvents, true>> = {
  fallback: true,
  breaker: true,
  replica: true,
  cache: true,
  refusals: true,
  invalidation: true,
};

/** @throws TypeError where there is no such event, or the listener is none */
export function assertListener(event: string, listener: unknown): void {
  if (!Object.hasOwn(NAMES, event)) {
    const names = Object.keys(NAMES);
    const meant = nearest(String(event), names);
    const instead = meant ? `did you mean ${meant}? There are ` : "there are ";
    throw new TypeError(`there is no event ${show(event)}; ${instead}${names.join(", ")}`);
  }
  if (typeof listener !== "function") throw new TypeError(`the listener of "${event}" must be a function`);
}

/** Calls the listeners. One that throws disturbs no other. */
export class Events {
  readonly counts = new EventCounts();
  readonly #emitter = new EventEmitter();
  readonly #logger: Logger;
  readonly #client: object;

  /** @param client as messages on channels name it */
  constructor(logger: Logger, client: object) {
    this.#logger = logger;
    this.#client = client;
    this.#emitter.setMaxListeners(0);
  }

  on<E extends keyof AuthClientEvents>(event: E, listener: (details: AuthClientEvents[E]) => void): () => void {
    assertListener(event, listener);
    const guarded = (details: AuthClientEvents[E]) => {
      const report = () => this.#logger.error(`portero: a listener of "${event}" threw`);
      try {
        const returned: unknown = listener(details);
        if (isPromise(returned)) returned.then(undefined, report);
      } catch {
        report();
      }
    };
    this.#emitter.on(event, guarded);
    return () => void this.#emitter.off(event, guarded);
  }

  emit<E extends keyof AuthClientEvents>(event: E, details: AuthClientEvents[E]): void {
    const told: Partial<AuthClientEvents> = { [event]: details };
    this.counts.count(told);
    if (channels.breaker.hasSubscribers || channels.cache.hasSubscribers) this.#publish(told);
    this.#emitter.emit(event, details);
  }

  /** A replica's address, which another event has, is not published. */
  #publish({ breaker, cache, invalidation }: Partial<AuthClientEvents>): void {
    const client = this.#client;
    if (breaker) channels.breaker.publish({ client, ...breaker });
    if (cache?.tier === "shared") {
      const [from, to] = cache.available ? ["open", "closed"] : ["closed", "open"];
      channels.breaker.publish({ client, upstream: "shared_cache", from, to });
    }
    if (cache) channels.cache.publish({ client, event: "availability", ...cache });
    if (invalidation) channels.cache.publish({ client, event: "invalidation", ...invalidation });
  }

  clear(): void {
    this.#emitter.removeAllListeners();
  }
}
