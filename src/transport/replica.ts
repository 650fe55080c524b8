import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import type { Address } from "./addresses.js";
import { UpstreamError } from "./outcome.js";
import { ReplicaHealth, type Since } from "./replica-health.js";

/** `connecting`: no connection stands, and one is made with the next call. `out`: it failed too often, and is left alone for a while. */
export type ReplicaState = "ready" | "connecting" | "out";

/** The way to one replica: a connection, followed by another one when it ends. */
export interface ReplicaLink {
  readonly transport: Transport;
  /** Whether a call can be put on it, as far as is known. */
  readonly isReady: boolean;
  /** Resolves when the server has greeted it; rejects with an `UpstreamError`. */
  connect(): Promise<void>;
  /** Drops what is being made, and all that is under way. */
  drop(): void;
  /** Leaves the connection: the next call is made on another. */
  renew(): void;
  close(): void;
}

/** @param onChange told when a connection was made, or has ended */
export type MakeLink = (address: Address, onChange: () => void) => ReplicaLink;

/** A replica that could not be connected to is not tried again before, in milliseconds. */
const WARM_INTERVAL_MS = 100;

export interface ReplicaOptions {
  readonly key: string;
  readonly address: Address;
  readonly link: (replica: Replica) => ReplicaLink;
  /** The stages around it. */
  readonly around: (replica: Transport) => Transport;
  readonly clock: Clock;
  /** Of one call, and of making a connection, in milliseconds. */
  readonly timeoutMs: number;
  /** Told why a connection could not be made, and how its health stood when that began. */
  readonly onUnreachable: (replica: Replica, error: unknown, since: Since) => void;
}

/** One replica of the service, or one of several connections to an address behind which there may be several. */
export class Replica {
  readonly key: string;
  readonly name: string;
  readonly link: ReplicaLink;
  readonly transport: Transport;
  readonly health: ReplicaHealth;
  /** Calls under way. */
  inFlight = 0;
  /** How often it answered. */
  answers = 0;
  /** Grows from pick to pick of the whole set. */
  pickedAt = 0;
  /** One call is on its way that shows whether it is well again. */
  isOnTrial = false;
  /** What listeners were told last. */
  told: ReplicaState;
  readonly #options: ReplicaOptions;
  #warming: Promise<void> | undefined;
  #warmFrom = Number.NEGATIVE_INFINITY;
  #isLeaving = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.key = options.key;
    this.name = options.address.name;
    this.health = new ReplicaHealth(options.clock);
    this.link = options.link(this);
    this.transport = options.around(this.link.transport);
    this.told = this.state;
  }

  get state(): ReplicaState {
    if (this.health.isOut) return "out";
    return this.link.isReady ? "ready" : "connecting";
  }

  /** Makes a connection beforehand: no call need wait for it. Resolves when that is over, however it ended. */
  warm(): Promise<void> {
    if (!this.#warming && this.#options.clock.monotonic() < this.#warmFrom) return Promise.resolve();
    this.#warming ??= this.#warm();
    return this.#warming;
  }

  async #warm(): Promise<void> {
    const { clock, timeoutMs, onUnreachable } = this.#options;
    const { period, counted } = this.health;
    let timeout: UpstreamError | undefined;
    const late = clock.setTimeout(
      () => {
        timeout = new UpstreamError("grpc", "unreachable", "timeout", { timedOut: true });
        this.link.drop();
      },
      timeoutMs,
      { background: true },
    );
    try {
      await this.link.connect();
    } catch (error) {
      this.#warmFrom = clock.monotonic() + WARM_INTERVAL_MS;
      if (!this.#isLeaving) onUnreachable(this, timeout ?? error, { period, counted });
    } finally {
      late.clear();
      this.#warming = undefined;
    }
  }

  begin(): void {
    this.inFlight++;
  }

  end(): void {
    this.inFlight--;
    if (this.#isLeaving && this.inFlight === 0) this.link.close();
  }

  /** Takes no new calls, and ends with those that are under way. */
  leave(): void {
    this.#isLeaving = true;
    if (this.inFlight === 0) this.link.close();
  }
}
