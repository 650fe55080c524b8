import { type BreakerState, CircuitBreaker } from "../runtime/circuit-breaker.js";
import type { Clock } from "../runtime/clock.js";
import { TimeLimit } from "../runtime/time-limit.js";
import type { StoreSigns } from "./shared-store.js";
import { countError, NotConnectedError, SlowError, type StoreErrors } from "./store-error.js";
import { type Change, WriteHealth } from "./write-health.js";

export interface StoreGateOptions {
  store: StoreSigns;
  clock: Clock;
  /** With what the store failed with last. */
  onTransition?: (available: boolean, error?: unknown) => void;
  /** Whether a store that can be read takes what is written. With what the last write failed with. */
  onWriteTransition?: (works: boolean, error?: unknown) => void;
  /** Counts what fails. */
  errors?: StoreErrors | undefined;
}

/** An operation may take no longer, in milliseconds. */
const OPERATION_MS = 50;
/** After so many failures in a row a dead store is skipped … */
const FAILURE_THRESHOLD = 3;
const FAILURE_WINDOW_MS = 60_000;
/** … and tried again after this many milliseconds. */
const RECOVERY_MS = 1000;

/** So many reads of strangers are under way at once; more are not begun, or a flood would make the reads of known users slow. */
const MAX_STRANGERS_READS = 128;
/** A store that did something else as it should within so many milliseconds is well, though strangers' reads are slow. */
const WELL_MS = 1000;

/** What is done with a store. */
export type StoreOperation = "read" | "stranger's read" | "stranger's delete" | Change;

/** Lets operations through to a store that may be slow or down: each is bounded, and a dead store is skipped. */
export class StoreGate {
  readonly #options: StoreGateOptions;
  #breaker: CircuitBreaker;
  /** A store that is full still reads and deletes. */
  #writeBreaker: CircuitBreaker;
  readonly #writeHealth: WriteHealth;
  readonly #limit: TimeLimit;
  readonly #onError = () => void this.#errors++;
  #closed = false;
  #errors = 0;
  #strangersReads = 0;
  /** When anything that no stranger brought about succeeded last, monotonic in milliseconds. */
  #wellAt = Number.NEGATIVE_INFINITY;
  #lastError: unknown;
  #starting: boolean;
  /** As it was said last. */
  #available = true;

  constructor(options: StoreGateOptions) {
    this.#options = options;
    const { store, clock } = options;
    this.#breaker = this.#watchedBreaker();
    this.#writeBreaker = this.#newBreaker();
    this.#writeHealth = new WriteHealth(options.onWriteTransition);
    store.onConnected?.(() => {
      this.#wellAt = clock.monotonic(); // it has proved itself
      this.#breaker = this.#watchedBreaker(); // with it, what is under way on the connection before counts for nothing
      this.#writeBreaker = this.#newBreaker();
    });
    store.onPong?.(() => {
      this.#wellAt = clock.monotonic();
    });
    this.#limit = new TimeLimit(clock, OPERATION_MS, () => new SlowError("the shared cache is slow"));
    store.on?.("error", this.#onError);
    this.#starting = store.ready !== undefined;
    store.ready?.then(
      () => {
        this.#starting = false;
      },
      (error) => {
        this.#starting = false;
        this.#lastError = error;
        while (this.#breaker.state === "closed") this.#breaker.admit()?.failed();
      },
    );
  }

  /** Settles when the first attempt to connect has ended, either way. */
  async ready(): Promise<void> {
    await this.#options.store.ready?.then(undefined, () => undefined);
  }

  get available(): boolean {
    return !this.#starting && this.#available;
  }

  /** Whether it was told to be away. Not while it is being connected to for the first time. */
  get isLost(): boolean {
    return !this.#available;
  }

  /** Whether writes and deletions arrive, where the store can be read. */
  get takesWrites(): boolean {
    return this.#writeHealth.works;
  }

  /** Settles as the promise does, or rejects when it takes longer than an operation may. */
  limit<T>(promise: Promise<T>): Promise<T> {
    return this.#limit.race(promise);
  }

  /** Lets nothing through any more, waits for what is under way, no longer than for any operation, and lets go of the store. */
  async close(underWay: Iterable<Promise<unknown>>): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...underWay].map((promise) => this.limit(promise)));
    this.#limit.rest();
    this.#options.store.off?.("error", this.#onError);
  }

  /** Rejects where the store is being skipped, and when the operation fails or takes too long. */
  run<T>(operation: () => Promise<T>, kind: StoreOperation): Promise<T> {
    const isStrangersRead = kind === "stranger's read";
    const isStrangers = isStrangersRead || kind === "stranger's delete";
    if (isStrangersRead && this.#strangersReads >= MAX_STRANGERS_READS)
      return Promise.reject(new Error("too many strangers look into the shared cache"));
    const change = changeOf(kind);
    const store = this.#breaker;
    const breaker = change === "set" ? this.#writeBreaker : store;
    const admission = this.#closed || store.turnsAway(!isStrangers) ? undefined : breaker.admit(!isStrangers);
    if (!admission) return Promise.reject(new Error("the shared cache is being skipped"));
    const errorsBefore = this.#errors;
    if (isStrangersRead) this.#strangersReads++;
    const fail = (error: unknown): never => {
      if (isStrangersRead) this.#strangersReads--;
      if (this.#options.errors) countError(this.#options.errors, error);
      if (isStrangers && error instanceof SlowError && this.#isWell()) {
        admission.inconclusive();
        throw error;
      }
      this.#lastError = error;
      const isOffline = error instanceof NotConnectedError;
      if (this.#starting) admission.inconclusive();
      else if (isOffline) {
        admission.inconclusive();
        store.admit()?.failed();
      } else admission.failed();
      if (change && !this.#starting && !isOffline && store.state === "closed") this.#writeHealth.failed(change, error);
      throw error;
    };
    return this.#limit.race(begin(operation)).then((result) => {
      if (this.#errors !== errorsBefore) fail(new Error("the shared cache reported an error"));
      if (isStrangersRead) this.#strangersReads--;
      if (!isStrangers) this.#wellAt = this.#options.clock.monotonic();
      admission.succeeded();
      if (change) this.#writeHealth.succeeded(change);
      if (store.state !== "closed") store.admit(!isStrangers)?.succeeded(); // a write finds the store again, too
      if (store === this.#breaker && store.state === "closed") this.#say(true);
      return result;
    }, fail);
  }

  #isWell(): boolean {
    return this.#options.clock.monotonic() - this.#wellAt < WELL_MS;
  }

  /** A breaker that tells when the store is lost, unless that was the connection before. */
  #watchedBreaker(): CircuitBreaker {
    const breaker = this.#newBreaker((_from, to) => {
      if (breaker === this.#breaker && to === "open") this.#say(false);
    });
    return breaker;
  }

  #newBreaker(onTransition?: (from: BreakerState, to: BreakerState) => void): CircuitBreaker {
    return new CircuitBreaker({
      failureThreshold: FAILURE_THRESHOLD,
      windowMs: FAILURE_WINDOW_MS,
      recoveryMs: RECOVERY_MS,
      clock: this.#options.clock,
      ...(onTransition && { onTransition }),
    });
  }

  #say(available: boolean): void {
    if (available === this.#available) return;
    this.#available = available;
    this.#options.onTransition?.(available, available ? undefined : this.#lastError);
  }
}

function changeOf(kind: StoreOperation): Change | undefined {
  if (kind === "stranger's delete") return "delete";
  return kind === "set" || kind === "delete" ? kind : undefined;
}

/** A store may answer, or fail, at once. */
function begin<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return Promise.resolve(operation());
  } catch (error) {
    return Promise.reject(error);
  }
}
