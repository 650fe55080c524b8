import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import { type ConnectionBounds, chooseSeats } from "./address-choice.js";
import type { Addresses } from "./addresses.js";
import { drawLife } from "./connection-life.js";
import { networkError } from "./grpc-exchange.js";
import { fromNetworkError } from "./grpc-outcome.js";
import { type MakeLink, Replica, type ReplicaState } from "./replica.js";
import { best, candidates, isDue, type Wanted } from "./replica-choice.js";
import { type Circumstances, reasonToStrike, type Since } from "./replica-health.js";

/** A replica moved. */
export interface ReplicaMove {
  /** `10.0.0.7:50051`. */
  readonly address: string;
  readonly from: ReplicaState;
  readonly to: ReplicaState;
  /** Made of codes alone. */
  readonly reason: string;
}

/** How one replica stands. */
export interface ReplicaStatus {
  /** `10.0.0.7:50051`. */
  readonly address: string;
  readonly state: ReplicaState;
  /** Calls under way. */
  readonly inFlight: number;
  /** Milliseconds until one call shows whether it is well again; else 0. */
  readonly outMs: number;
}

export interface ReplicaSetOptions {
  readonly link: MakeLink;
  /** The stages around each replica. */
  readonly around: (replica: Transport) => Transport;
  readonly connections: ConnectionBounds;
  /** Of one call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** @param addresses how many there are: where there is one, a replica is a connection to it */
  readonly onMove?: ((move: ReplicaMove, addresses: number) => void) | undefined;
}

/** The replicas in use, one for each address, and which of them is asked next. */
export class ReplicaSet {
  readonly #options: ReplicaSetOptions;
  readonly #addresses: Addresses;
  readonly #seed: string;
  #replicas: readonly Replica[] = [];
  #picks = 0;
  #answers = 0;
  #isClosed = false;
  /** Calls on them end first. */
  readonly #leaving = new Set<Replica>();

  /** @param addresses that tell {@link update} of their changes */
  constructor(addresses: Addresses, options: ReplicaSetOptions) {
    this.#addresses = addresses;
    this.#options = options;
    this.#seed = String(drawLife(options.random));
    this.update();
  }

  /** The one replica, where there is no other. */
  get only(): Replica | undefined {
    return this.#replicas.length === 1 ? this.#replicas[0] : undefined;
  }

  get size(): number {
    return this.#replicas.length;
  }

  get status(): ReplicaStatus[] {
    return this.#replicas.map(({ name, state, inFlight, health }) => {
      return { address: name, state, inFlight, outMs: Math.ceil(health.outMs) };
    });
  }

  /** To be told of each call: the first one begins to look up names. */
  begin(): void {
    this.#addresses.begin();
  }

  /** Resolves when there is one; rejects with an `UpstreamError` that has the code of the look-up of its address. */
  async first(): Promise<void> {
    try {
      await this.#addresses.first();
    } catch (error) {
      throw fromNetworkError(networkError(error as Error));
    }
  }

  /** Follows the addresses: replicas that are still wanted stay, with their connections. */
  update(): void {
    if (this.#isClosed) return;
    const { connections, link, around, clock, timeoutMs } = this.#options;
    const before = new Map(this.#replicas.map((replica) => [replica.key, replica]));
    this.#replicas = chooseSeats(this.#addresses.current, connections, this.#seed).map(({ key, address }) => {
      const kept = before.get(key);
      before.delete(key);
      return (
        kept ??
        new Replica({
          key,
          address,
          around,
          clock,
          timeoutMs,
          link: (replica) => link(address, () => this.#onLinkChange(replica)),
          onUnreachable: (replica, error, since) => this.failed(replica, error, since),
        })
      );
    });
    for (const replica of this.#leaving) if (replica.inFlight === 0) this.#leaving.delete(replica);
    for (const replica of before.values()) {
      this.#leaving.add(replica);
      replica.leave();
    }
  }

  /** The one to be asked. Those without a connection get one, for the calls that come. */
  pick(wanted: Wanted = {}): Replica | undefined {
    for (const replica of this.#replicas) if (!replica.health.isOut && !replica.link.isReady) void replica.warm();
    const picked = best(this.#replicas, wanted);
    if (picked) picked.pickedAt = ++this.#picks;
    return picked;
  }

  /** Whether {@link pick} would find one. */
  has(wanted: Wanted): boolean {
    return candidates(this.#replicas, wanted).length > 0;
  }

  /** One that is out, and may show whether it is well again; not the one that is asked anyway. */
  due(asked?: Replica): Replica | undefined {
    return this.#replicas.find((replica) => replica !== asked && isDue(replica));
  }

  /** How often all but this one have answered so far. */
  answersBeside(replica: Replica): number {
    return this.#answers - replica.answers;
  }

  /**
   * Makes a connection to one that is due, where there is none: a trial is about its answers, and need not wait for that. Failing to make
   * it is an answer of its own.
   *
   * @param then called when it stands, at once where it does
   */
  prepare(replica: Replica, then: () => void): void {
    if (replica.link.isReady) return then();
    replica.isOnTrial = true;
    void replica.warm().then(() => {
      replica.isOnTrial = false;
      if (replica.link.isReady && isDue(replica) && this.#replicas.includes(replica)) then();
    });
  }

  succeeded(replica: Replica, { period }: Since): void {
    this.#answers++;
    replica.answers++;
    if (replica.health.period !== period) return;
    replica.health.succeeded();
    this.#tell(replica, "it answered");
  }

  /** It did something that is no answer, and no failure. */
  alive(replica: Replica, { period }: Since): void {
    if (replica.health.period !== period) return;
    replica.health.alive();
    this.#tell(replica, "it is alive");
  }

  /** It was asked, and said nothing of itself: the next trial is a while away. */
  postpone(replica: Replica, { period }: Since): void {
    if (replica.health.period === period) replica.health.postpone();
  }

  /** @param error what a call to it ended with; only some of them say something about it */
  failed(replica: Replica, error: unknown, since: Since, circumstances?: Circumstances): void {
    const reason = reasonToStrike(error, replica.health.counted !== since.counted, circumstances);
    if (reason) this.strike(replica, reason, since);
    else this.postpone(replica, since);
  }

  /** Another one answered first. While it is out that says nothing against a connection on which it has spoken. */
  lostRace(replica: Replica, since: Since): void {
    const mayStay = replica.health.isOut && replica.link.isReady;
    this.strike(replica, "another one answered first", since, { renews: !mayStay });
  }

  /** Another one answered what it did not, or not in time. */
  strike(replica: Replica, reason: string, { period }: Since, { renews = true }: { renews?: boolean } = {}): void {
    const { health } = replica;
    if (health.period !== period) return;
    const wasOut = health.isOut;
    health.strike();
    if (!wasOut && !(health.isFailing && this.#hasRoomOutside(replica))) return;
    if (renews) replica.link.renew(); // the next call to it should not find a connection that is dead
    if (wasOut) return;
    health.goOut();
    this.#addresses.refresh();
    this.#tell(replica, reason);
  }

  /** Resolves when one of them can be connected to; rejects with an `UpstreamError`. */
  async connect(): Promise<void> {
    await this.first();
    try {
      await Promise.any(this.#replicas.map(({ link }) => link.connect()));
    } catch (error) {
      throw (error as AggregateError).errors[0];
    }
  }

  renew(): void {
    for (const { link } of this.#replicas) link.renew();
    this.#addresses.refresh();
  }

  close(): void {
    this.#isClosed = true;
    this.#addresses.close();
    for (const { link } of [...this.#replicas, ...this.#leaving]) link.close();
  }

  /** Half of them at most may be out, and one of two; a single one is asked whatever it does. */
  #hasRoomOutside(replica: Replica): boolean {
    const out = this.#replicas.filter(({ health }) => health.isOut).length;
    return this.#replicas.includes(replica) && out < Math.floor(this.#replicas.length / 2);
  }

  #onLinkChange(replica: Replica): void {
    if (!this.#replicas.includes(replica)) return; // it leaves: that its connection ends tells of no address
    if (!replica.link.isReady) this.#addresses.refresh();
    if (!replica.health.isOut) this.#tell(replica, replica.link.isReady ? "connected" : "its connection ended");
  }

  #tell(replica: Replica, reason: string): void {
    const { told: from, state: to, name: address } = replica;
    if (from === to || this.#isClosed || !this.#replicas.includes(replica)) return;
    replica.told = to;
    const addresses = new Set(this.#replicas.map(({ name }) => name)).size;
    this.#options.onMove?.({ address, from, to, reason }, addresses);
  }
}
