import type { Clock, Timer } from "../runtime/clock.js";
import type { EntryName, Keyring, Slot } from "./keyring.js";
import { PendingWrites } from "./pending-writes.js";
import type { SharedStore } from "./shared-store.js";
import type { StoreGate, StoreOperation } from "./store-gate.js";
import { StoreGates, type StoreGatesOptions } from "./store-gates.js";

/** One entry, as it lies in the store. */
export interface StoredEntry {
  /** When the service was asked, wall time in milliseconds. */
  readonly askedAt: number;
  /** Wall time in milliseconds. */
  readonly expiresAt: number;
  readonly value: unknown;
}

/** A look for an entry. */
export interface StoreLookup {
  /** `false`: the store could not be asked, or gave the reply to another question. Another entry may lie there, which matters for a tombstone. */
  readonly wasRead: boolean;
  /** What lies there: while a secret is rotated, an entry may lie in two slots. */
  readonly entries: readonly StoredEntry[];
}

export interface GuardedStoreOptions extends StoreGatesOptions {
  keyring: Keyring;
}

/** In characters. The largest answer has 1 MiB; escaped and sealed it can take eight times that. */
const MAX_ENTRY_LENGTH = 2 ** 23;

/** Entries in a store that may be slow, down or full of garbage: an error is a miss, and so is what was not written here. */
export class GuardedStore {
  readonly #store: SharedStore;
  readonly #keyring: Keyring;
  readonly #gates: StoreGates;
  readonly #writes: PendingWrites;
  readonly #clock: Clock;
  /** Of deletions that are to be made once more, by key. */
  readonly #again = new Map<string, Timer>();
  #closed = false;

  constructor({ keyring, ...options }: GuardedStoreOptions) {
    this.#store = options.store;
    this.#keyring = keyring;
    this.#gates = new StoreGates(options);
    this.#clock = options.clock;
    this.#writes = new PendingWrites(options.clock);
  }

  /** Settles when the first attempt to connect has ended, either way. */
  ready(): Promise<void> {
    return this.#gates.ready();
  }

  /** Whether there is anything of it. */
  get available(): boolean {
    return this.#gates.available;
  }

  /** Of a store in parts: how many there are, and how many can be used. */
  get partCounts(): { readonly available: number; readonly total: number } | undefined {
    return this.#gates.partCounts;
  }

  /** Whether writes and deletions arrive, where the store can be read. */
  get takesWrites(): boolean {
    return this.#gates.takesWrites;
  }

  /** Looks for entries, in one go where the store can do that. */
  read<const N extends readonly EntryName[]>(...names: N): Promise<{ [I in keyof N]: StoreLookup }> {
    return this.#read(names, "read");
  }

  /** The same for a stranger, of whom a store has no room for any number: where there is none, nothing is known of the entries. */
  readForStranger<const N extends readonly EntryName[]>(...names: N): Promise<{ [I in keyof N]: StoreLookup }> {
    return this.#read(names, "stranger's read");
  }

  #read<const N extends readonly EntryName[]>(
    names: N,
    kind: StoreOperation,
  ): Promise<{ [I in keyof N]: StoreLookup }> {
    const slots = names.flatMap((name) => this.#keyring.slots(name));
    const each = slots.length / names.length;
    const found = this.#readSlots(slots, kind);
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

  /**
   * Deletes, and rejects when the store could not be told.
   *
   * @param isOurs no stranger brings it about
   */
  async remove(name: EntryName, isOurs: boolean): Promise<void> {
    const slots = this.#keyring.slots(name);
    await Promise.all(slots.map(({ key }) => this.#delete(key, isOurs ? "delete" : "stranger's delete")));
  }

  /** Waits for what is being written, no longer than for any operation, and lets go of the store. */
  close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#again.values()) timer.clear();
    this.#again.clear();
    return this.#gates.close(this.#writes.all());
  }

  async #delete(key: string, kind: StoreOperation): Promise<void> {
    const gate = this.#gates.of(key);
    const deleteNow = () => gate.run(() => this.#store.delete(key), kind);
    const writing = this.#writes.of(key);
    if (writing) {
      try {
        await gate.limit(writing); // a write on its way must not arrive after the deletion
      } catch (error) {
        const deleteThen = () => {
          this.#deleteOnceMore(key, deleteNow);
          return deleteNow();
        };
        writing.then(deleteThen).catch(() => undefined);
        await deleteNow();
        throw error; // when it will arrive, and be deleted, is not known
      }
    }
    this.#deleteOnceMore(key, deleteNow);
    await deleteNow();
  }

  /** Where a write that was lost may arrive behind the deletion, that is made once more when it can arrive no longer. */
  #deleteOnceMore(key: string, deleteNow: () => Promise<unknown>): void {
    const lostMs = this.#writes.lostFor(key);
    if (lostMs === 0 || this.#closed) return;
    const again = () => {
      this.#again.delete(key);
      deleteNow().catch(() => undefined);
    };
    this.#again.get(key)?.clear();
    this.#again.set(key, this.#clock.setTimeout(again, lostMs, { background: true }));
  }

  #readSlots(slots: readonly Slot[], kind: StoreOperation): Promise<readonly StoreLookup[]> {
    const getAll = this.#store.getAll?.bind(this.#store);
    if (!getAll || slots.length === 1) return Promise.all(slots.map((slot) => this.#readSlot(slot, kind)));
    const gates = slots.map(({ key }) => this.#gates.of(key));
    const readBehind = (gate: StoreGate, behind: readonly Slot[]) => {
      const keys = behind.map(({ key }) => key);
      const readAll = () => Promise.resolve(getAll(keys)).then(checked);
      const checked = (stored: readonly unknown[]) => {
        if (stored.length !== keys.length) throw new Error("the store gave the reply to another question");
        return stored;
      };
      return gate.run(readAll, kind).then(
        (stored) => behind.map((slot, at) => open(slot, stored[at])),
        () => behind.map(() => NOT_READ),
      );
    };
    const [first] = gates as [StoreGate];
    if (gates.every((gate) => gate === first)) return readBehind(first, slots);
    const parts = [...new Set(gates)].map(async (gate) => {
      const behind = slots.filter((_, at) => gates[at] === gate);
      const found = await readBehind(gate, behind);
      return found.map((lookup, at) => [behind[at], lookup] as const);
    });
    return Promise.all(parts).then((found) => {
      const lookups = new Map(found.flat());
      return slots.map((slot) => lookups.get(slot) as StoreLookup);
    });
  }

  #readSlot(slot: Slot, kind: StoreOperation): Promise<StoreLookup> {
    return this.#gates
      .of(slot.key)
      .run(() => this.#store.get(slot.key), kind)
      .then(
        (stored) => open(slot, stored),
        () => NOT_READ,
      );
  }

  #write(name: EntryName, { askedAt, expiresAt, value }: StoredEntry, ttlMs: number): Promise<void> {
    const slot = this.#keyring.slots(name)[0] as Slot;
    const text = slot.seal(JSON.stringify({ askedAt, expiresAt, value }));
    const set = async () => {
      const stored = await this.#store.set(slot.key, text, Math.ceil(ttlMs));
      if (stored === false) throw new Error("the store did not take the entry"); // Keyv's way of saying so
    };
    return this.#gates.of(slot.key).run(() => this.#writes.begin(slot.key, set), "set");
  }
}

/** The one that was asked for last. */
export function latestOf(entries: readonly StoredEntry[]): StoredEntry | undefined {
  return entries.reduce<StoredEntry | undefined>(
    (latest, entry) => (latest && latest.askedAt >= entry.askedAt ? latest : entry),
    undefined,
  );
}

const NOT_READ: StoreLookup = { wasRead: false, entries: [] };
const NO_ENTRY: StoreLookup = { wasRead: true, entries: [] };

function open(slot: Slot, stored: unknown): StoreLookup {
  if (typeof stored !== "string" || stored.length > MAX_ENTRY_LENGTH) return NO_ENTRY;
  try {
    const text = slot.open(stored);
    if (text === undefined) return slot.isMisplaced(stored) ? NOT_READ : NO_ENTRY;
    const entry = parse(text);
    return entry ? { wasRead: true, entries: [entry] } : NO_ENTRY;
  } catch {
    return NO_ENTRY; // foreign, or garbage
  }
}

function together(found: readonly StoreLookup[]): StoreLookup {
  return { wasRead: found.every(({ wasRead }) => wasRead), entries: found.flatMap(({ entries }) => entries) };
}

function parse(text: string): StoredEntry | undefined {
  const { askedAt, expiresAt, value } = JSON.parse(text) as Partial<StoredEntry>;
  return Number.isFinite(askedAt) && Number.isFinite(expiresAt)
    ? { askedAt: askedAt as number, expiresAt: expiresAt as number, value }
    : undefined;
}
