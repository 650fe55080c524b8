import { type BreakerState, CircuitBreaker } from "../runtime/circuit-breaker.js";
import type { Clock } from "../runtime/clock.js";
import { TimeLimit } from "../runtime/time-limit.js";
import type { EntryName, Keyring, Slot } from "./keyring.js";
import { NotConnectedError } from "./not-connected.js";
import { PendingWrites } from "./pending-writes.js";
import { type Change, WriteHealth } from "./write-health.js";

/** Where the shared cache keeps its entries: what Keyv offers, and nothing more. */
export interface SharedStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: string, ttlMs: number): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  /** Several at once; rejects unless all could be read. (Keyv's `getMany` takes some that could not for missing.) */
  getAll?(keys: readonly string[]): Promise<readonly unknown[]>;
  /** Keyv reports errors here instead of rejecting, unless told otherwise. */
  on?(event: "error", listener: (error: unknown) => void): unknown;
  off?(event: "error", listener: (error: unknown) => void): unknown;
  /** Settles when the first attempt to connect has ended, and rejects when it failed. What fails before then is no sign of a dead store. */
  readonly ready?: Promise<unknown>;
  /** Calls back whenever the store has a new connection: what failed on the one before says nothing about this one. */
  onConnected?(listener: () => void): void;
}

/** One entry, as it lies in the store. */
export interface StoredEntry {
  /** When the service was asked, wall time in milliseconds. */
  readonly askedAt: number;
  /** Wall time in milliseconds. */
  readonly expiresAt: number;
  readonly value: unknown;
}

/**
 * A look for an entry. Not `known`: the store could not be asked, or gave the reply to another question; another entry may lie there,
 * which matters for a tombstone.
 */
export interface StoreLookup {
  readonly known: boolean;
  /** What lies there: while a secret is rotated, an entry may lie in two slots. */
  readonly entries: readonly StoredEntry[];
}

export interface GuardedStoreOptions {
  store: SharedStore;
  keyring: Keyring;
  clock: Clock;
  /** With what the store failed with last. */
  onTransition?: (available: boolean, error?: unknown) => void;
  /** Whether a store that can be read takes what is written. With what the last write failed with. */
  onWriteTransition?: (works: boolean, error?: unknown) => void;
}

/** An operation may take no longer, in milliseconds. */
const OPERATION_MS = 50;
/** After so many failures in a row a dead store is skipped … */
const FAILURE_THRESHOLD = 3;
const FAILURE_WINDOW_MS = 60_000;
/** … and tried again after this many milliseconds. */
const RECOVERY_MS = 1000;
/** In characters. The largest answer has 1 MiB; escaped and sealed it can take eight times that. */
const MAX_ENTRY_LENGTH = 2 ** 23;

/**
 * A store that may be slow, down or full of garbage, and no request fails, waits or crashes for it: every operation is bounded, an
 * error is a miss, and a dead store is skipped.
 */
export class GuardedStore {
  readonly #options: GuardedStoreOptions;
  #breaker: CircuitBreaker;
  /** A store that is full still reads and deletes. */
  #writeBreaker: CircuitBreaker;
  readonly #writeHealth: WriteHealth;
  readonly #limit: TimeLimit;
  readonly #writes = new PendingWrites();
  readonly #onError = () => void this.#errors++;
  #closed = false;
  #errors = 0;
  #lastError: unknown;
  #starting: boolean;
  /** As it was said last. */
  #available = true;

  constructor(options: GuardedStoreOptions) {
    this.#options = options;
    const breaker = (onTransition?: (from: BreakerState, to: BreakerState) => void) =>
      new CircuitBreaker({
        failureThreshold: FAILURE_THRESHOLD,
        windowMs: FAILURE_WINDOW_MS,
        recoveryMs: RECOVERY_MS,
        clock: options.clock,
        ...(onTransition && { onTransition }),
      });
    const watched = () =>
      breaker((from, to) => {
        if (from === "closed" || to === "closed") this.#say(to === "closed");
      });
    this.#breaker = watched();
    this.#writeBreaker = breaker();
    this.#writeHealth = new WriteHealth(options.onWriteTransition);
    options.store.onConnected?.(() => {
      if (this.#starting) return;
      this.#breaker = watched(); // with it, what is under way on the connection before counts for nothing
      this.#writeBreaker = breaker();
    });
    this.#limit = new TimeLimit(options.clock, OPERATION_MS, () => new Error("the shared cache is slow"));
    options.store.on?.("error", this.#onError);
    this.#starting = options.store.ready !== undefined;
    options.store.ready?.then(
      () => {
        this.#starting = false;
      },
      (error) => {
        this.#starting = false;
        this.#lastError = error;
        for (let failure = 0; failure < FAILURE_THRESHOLD; failure++) this.#breaker.admit()?.failed();
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

  /** Whether writes and deletions arrive, where the store can be read. */
  get takesWrites(): boolean {
    return this.#writeHealth.works;
  }

  /** Looks for entries, in one go where the store can do that. */
  read<const N extends readonly EntryName[]>(...names: N): Promise<{ [I in keyof N]: StoreLookup }> {
    const slots = names.flatMap((name) => this.#options.keyring.slots(name));
    const each = slots.length / names.length;
    const found = this.#readSlots(slots);
    const lookups =
      each === 1 ? found : found.then((all) => names.map((_, at) => together(all.slice(at * each, (at + 1) * each))));
    return lookups as Promise<{ [I in keyof N]: StoreLookup }>;
  }

  /** Writes behind: no request waits for it, or fails with it. */
  write(name: EntryName, entry: StoredEntry, ttlMs: number): void {
    void this.#write(name, entry, ttlMs).catch(() => undefined); // an entry that is not shared is asked for again
  }

  /** Writes, and rejects when the store could not be told. */
  async writeConfirmed(name: EntryName, entry: StoredEntry, ttlMs: number): Promise<void> {
    await this.#write(name, entry, ttlMs);
  }

  /** Deletes, and rejects when the store could not be told. */
  async remove(name: EntryName): Promise<void> {
    const slots = this.#options.keyring.slots(name);
    await Promise.all(slots.map(({ key }) => this.#delete(key)));
  }

  /** Waits for what is being written, no longer than for any operation, and lets go of the store. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#writes.all()].map((writing) => this.#limit.race(writing)));
    this.#limit.rest();
    this.#options.store.off?.("error", this.#onError);
  }

  #say(available: boolean): void {
    if (available === this.#available) return;
    this.#available = available;
    this.#options.onTransition?.(available, available ? undefined : this.#lastError);
  }

  async #delete(key: string): Promise<void> {
    const deleteNow = () => this.#operate(() => this.#options.store.delete(key), "delete");
    const writing = this.#writes.of(key);
    if (!writing) return void (await deleteNow());
    try {
      await this.#limit.race(writing); // a write on its way must not arrive after the deletion
    } catch (error) {
      writing.then(deleteNow).catch(() => undefined);
      await deleteNow();
      throw error; // when it will arrive, and be deleted, is not known
    }
    await deleteNow();
  }

  #readSlots(slots: readonly Slot[]): Promise<readonly StoreLookup[]> {
    const { store } = this.#options;
    if (!store.getAll || slots.length === 1) return Promise.all(slots.map((slot) => this.#readSlot(slot)));
    const keys = slots.map(({ key }) => key);
    const readAll = async () => {
      const stored = await store.getAll?.(keys);
      if (stored?.length !== keys.length) throw new Error("the store gave the reply to another question");
      return stored;
    };
    return this.#operate(readAll).then(
      (stored) => slots.map((slot, at) => open(slot, stored[at])),
      () => slots.map(() => NOT_KNOWN),
    );
  }

  #readSlot(slot: Slot): Promise<StoreLookup> {
    return this.#operate(() => this.#options.store.get(slot.key)).then(
      (stored) => open(slot, stored),
      () => NOT_KNOWN,
    );
  }

  #write(name: EntryName, { askedAt, expiresAt, value }: StoredEntry, ttlMs: number): Promise<void> {
    const [slot] = this.#options.keyring.slots(name);
    if (!slot) return Promise.resolve();
    const text = slot.seal(JSON.stringify({ askedAt, expiresAt, value }));
    const set = async () => {
      const stored = await this.#options.store.set(slot.key, text, Math.ceil(ttlMs));
      if (stored === false) throw new Error("the store did not take the entry"); // Keyv's way of saying so
    };
    return this.#operate(() => this.#writes.begin(slot.key, set), "set");
  }

  #operate<T>(operation: () => Promise<T>, change?: Change): Promise<T> {
    const store = this.#breaker;
    const breaker = change === "set" ? this.#writeBreaker : store;
    const admission = this.#closed || store.refuses ? undefined : breaker.admit();
    if (!admission) return Promise.reject(new Error("the shared cache is being skipped"));
    const errorsBefore = this.#errors;
    const fail = (error: unknown): never => {
      this.#lastError = error;
      const isOffline = error instanceof NotConnectedError;
      if (this.#starting) admission.inconclusive();
      else if (breaker !== store && isOffline) {
        admission.inconclusive();
        store.admit()?.failed();
      } else admission.failed();
      if (change && !this.#starting && !isOffline && store.state === "closed") this.#writeHealth.failed(change, error);
      throw error;
    };
    return this.#limit.race(begin(operation)).then((result) => {
      if (this.#errors !== errorsBefore) fail(new Error("the shared cache reported an error"));
      admission.succeeded();
      if (change) this.#writeHealth.succeeded(change);
      if (store.state !== "closed") store.admit()?.succeeded(); // a write finds the store again, too
      if (store === this.#breaker && store.state === "closed") this.#say(true);
      return result;
    }, fail);
  }
}

/** A store may answer, or fail, at once. */
function begin<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return Promise.resolve(operation());
  } catch (error) {
    return Promise.reject(error);
  }
}

const NOT_KNOWN: StoreLookup = { known: false, entries: [] };
const NO_ENTRY: StoreLookup = { known: true, entries: [] };

function open(slot: Slot, stored: unknown): StoreLookup {
  if (typeof stored !== "string" || stored.length > MAX_ENTRY_LENGTH) return NO_ENTRY;
  try {
    const text = slot.open(stored);
    if (text === undefined) return slot.isMisplaced(stored) ? NOT_KNOWN : NO_ENTRY;
    const entry = parse(text);
    return entry ? { known: true, entries: [entry] } : NO_ENTRY;
  } catch {
    return NO_ENTRY; // foreign, or garbage
  }
}

function together(found: readonly StoreLookup[]): StoreLookup {
  return { known: found.every(({ known }) => known), entries: found.flatMap(({ entries }) => entries) };
}

function parse(text: string): StoredEntry | undefined {
  const { askedAt, expiresAt, value } = JSON.parse(text) as Partial<StoredEntry>;
  return Number.isFinite(askedAt) && Number.isFinite(expiresAt)
    ? { askedAt: askedAt as number, expiresAt: expiresAt as number, value }
    : undefined;
}
