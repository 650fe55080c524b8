import { create, type DescMessage, type DescMethodUnary, type MessageShape } from "@bufbuild/protobuf";
import type { Transport, UnaryResponse } from "@connectrpc/connect";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import { UpstreamError } from "../../src/transport/outcome.js";
import type { ReplicaLink } from "../../src/transport/replica.js";
import { unaryTransport } from "../../src/transport/stage.js";
import type { Random } from "./random.js";
import type { VirtualClock } from "./virtual-clock.js";

/** How a replica is. `gone`: its process has ended, and nothing listens there. */
export type Condition = "well" | "slow" | "hangs" | "refuses" | "unavailable" | "broken" | "gone";

export const FAULTS: readonly Condition[] = ["slow", "hangs", "refuses", "unavailable"];

/** Tokens that begin so make every replica throw, or are nobody's. */
export const [POISON, GARBAGE] = ["poison", "garbage"];

export interface LeafCall {
  readonly server: ReplicaServer;
  /** The one of its addresses. */
  readonly address: string;
  readonly token: string;
  /** The same for all calls of one question; none of a call that only shows how the replica is. */
  readonly context: object | undefined;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  isOver: boolean;
}

/** Told of every call that leaves the client. */
export interface LeafObserver {
  began(call: LeafCall): void;
  /** A verdict, or a failure; not told where the call was given up. */
  ended(call: LeafCall, end: "verdict" | "unprocessed" | "failed"): void;
}

const lost = (options: object) => new UpstreamError("grpc", "unreachable", "ECONNRESET", { network: true, ...options });

/** One replica of the service, and the connections to it. */
export class ReplicaServer {
  /** IPv4 and IPv6. */
  readonly addresses: readonly [string, string];
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #links = new Set<{ goAway(): void }>();
  #condition: Condition = "well";
  /** When it was anything but well last: now, where it is. */
  #illAt = Number.NEGATIVE_INFINITY;

  constructor(index: number, clock: VirtualClock, random: Random) {
    this.addresses = [`10.0.0.${index + 1}`, `fd00::${index + 1}`];
    this.#clock = clock;
    this.#random = random;
  }

  get condition(): Condition {
    return this.#condition;
  }

  set condition(condition: Condition) {
    if (this.#condition !== "well") this.#illAt = this.#clock.time;
    this.#condition = condition;
    if (condition === "refuses" || condition === "gone") for (const link of this.#links) link.goAway();
  }

  /** Since when it has been well; infinite where it is not. */
  get wellSince(): number {
    return this.#condition === "well" ? this.#illAt : Number.POSITIVE_INFINITY;
  }

  /** Its connections end, after the calls that have reached it, and are accepted again at once. */
  restart(): void {
    for (const link of this.#links) link.goAway();
  }

  link(address: string, onChange: () => void, observer: LeafObserver): ReplicaLink {
    const [clock, random] = [this.#clock, this.#random];
    const accepts = () => this.#condition !== "refuses" && this.#condition !== "gone";
    /** What was sent, and has not reached it. */
    const underWay = new Set<() => void>();
    const connecting = new Set<(error: unknown) => void>();
    let isReady = false;
    let isClosed = false;
    const goAway = () => {
      if (isClosed || !isReady) return;
      isReady = false;
      for (const lose of underWay) lose();
      onChange();
    };
    const connect = () =>
      new Promise<void>((resolve, reject) => {
        if (isReady) return resolve();
        connecting.add(reject);
        if (this.#condition === "hangs") return;
        clock.after(random.ms(0.5, 2), () => {
          if (!connecting.delete(reject)) return;
          if (!accepts()) return reject(lost({ unconnected: true }));
          if (!isReady) {
            isReady = true;
            onChange();
          }
          resolve();
        });
      });
    const drop = () => {
      for (const reject of connecting) reject(lost({ ours: true }));
      connecting.clear();
    };
    this.#links.add({ goAway });
    const transport = unaryTransport(
      <I extends DescMessage, O extends DescMessage>(given: {
        method: DescMethodUnary<I, O>;
        message: unknown;
        context: object | undefined;
        timeoutMs: number | undefined;
        signal: AbortSignal | undefined;
      }) => {
        const { method, message, context, timeoutMs, signal } = given;
        const { token } = message as { token: string };
        const call: LeafCall = { server: this, address, token, context, timeoutMs, signal, isOver: false };
        observer.began(call);
        return new Promise<UnaryResponse<I, O>>((resolve, reject) => {
          const end = (how: "verdict" | "unprocessed" | "failed", settle: () => void) => {
            if (call.isOver) return;
            call.isOver = true;
            underWay.delete(loseIt);
            observer.ended(call, how);
            settle();
          };
          const fail = (error: unknown) => end("failed", () => reject(error));
          const loseIt = () => end("unprocessed", () => reject(lost({ unprocessed: true })));
          signal?.addEventListener("abort", () => {
            call.isOver = true;
            underWay.delete(loseIt);
            reject(signal.reason);
          });
          const reach = () => {
            underWay.add(loseIt);
            clock.after(random.ms(0.125, 0.5), () => {
              underWay.delete(loseIt);
              if (!call.isOver) this.#answer(token, end, fail, () => resolve(response(method)), reject);
            });
          };
          if (isReady) reach();
          else connect().then(() => call.isOver || (isReady ? reach() : loseIt()), fail);
        });
      },
    ) as Transport;
    return {
      transport,
      connect,
      drop,
      get isReady() {
        return isReady;
      },
      renew() {
        isReady = false;
      },
      close() {
        isClosed = true;
        isReady = false;
        drop();
      },
    };
  }

  #answer(
    token: string,
    end: (how: "verdict", settle: () => void) => void,
    fail: (error: unknown) => void,
    accept: () => void,
    reject: (error: unknown) => void,
  ): void {
    const [clock, random] = [this.#clock, this.#random];
    const condition = this.#condition;
    if (condition === "hangs") return;
    clock.after(condition === "slow" ? random.ms(150, 400) : random.ms(0.5, 3), () => {
      if (condition === "unavailable") return fail(new UpstreamError("grpc", "unreachable", "Unavailable"));
      if (condition === "broken" || token.startsWith(POISON))
        return fail(new UpstreamError("grpc", "broken", "Internal"));
      if (token.startsWith(GARBAGE))
        return end("verdict", () => reject(new UpstreamError("grpc", "refused", "Unauthenticated")));
      end("verdict", accept);
    });
  }
}

function response<I extends DescMessage, O extends DescMessage>(method: DescMethodUnary<I, O>): UnaryResponse<I, O> {
  const message = create(VerifyTokenResponseSchema, { userId: "u", organizationId: "o", email: "e", isActive: true });
  return {
    stream: false,
    service: method.parent,
    method,
    header: new Headers(),
    message: message as unknown as MessageShape<O>,
    trailer: new Headers(),
  };
}
