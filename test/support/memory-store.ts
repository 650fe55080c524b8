import type { Clock, SharedStore } from "../../src/client.js";

type Operation = "get" | "set" | "delete";

/** A shared store in memory, whose operations can be made to fail, to hang and to wait. */
export class MemoryStore implements SharedStore {
  /** What lies in it, expired or not. */
  readonly texts = new Map<string, unknown>();
  /** Operations that were begun, as `get <key>`. */
  readonly log: string[] = [];
  /** What an operation does before it is carried out; to wait for ever, or to fail. */
  before: (operation: Operation, key: string) => unknown = () => undefined;
  /** The store was asked by itself whether it is there, and said so. */
  pong: () => void = () => undefined;
  readonly #ends = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async get(key: string): Promise<unknown> {
    await this.#begin("get", key);
    return this.#clock.now() < (this.#ends.get(key) ?? Number.POSITIVE_INFINITY) ? this.texts.get(key) : undefined;
  }

  async set(key: string, value: string, ttlMs: number): Promise<boolean> {
    await this.#begin("set", key);
    this.texts.set(key, value);
    this.#ends.set(key, this.#clock.now() + ttlMs);
    return true;
  }

  async delete(key: string): Promise<boolean> {
    await this.#begin("delete", key);
    return this.texts.delete(key);
  }

  onPong(listener: () => void): void {
    this.pong = listener;
  }

  /**
   * Keeps operations waiting; the function returned lets them go.
   *
   * @param kind of the entries that they concern; default: all
   */
  hold(held: Operation, kind?: string): () => void {
    const waiting: (() => void)[] = [];
    const isHeld = (key: string) => kind === undefined || kindOf(key) === kind;
    this.before = (operation, key) =>
      operation === held && isHeld(key) && new Promise<void>((resolve) => waiting.push(resolve));
    return () => {
      for (const letGo of waiting.splice(0)) letGo();
    };
  }

  /** The keys of one kind of entry. */
  keys(kind: string): string[] {
    return [...this.texts.keys()].filter((key) => kindOf(key) === kind);
  }

  /** How long an entry is kept, in milliseconds from now. */
  ttlMs(key: string): number {
    return (this.#ends.get(key) ?? Number.POSITIVE_INFINITY) - this.#clock.now();
  }

  count(operation: Operation): number {
    return this.log.filter((line) => line.startsWith(operation)).length;
  }

  async #begin(operation: Operation, key: string): Promise<void> {
    this.log.push(`${operation} ${key}`);
    await this.before(operation, key);
  }
}

function kindOf(key: string): string | undefined {
  return key.split(":")[2];
}

/** For {@link MemoryStore.before}. */
export const hang = () => new Promise<never>(() => undefined);

export function fail(): never {
  throw new Error("the store is out of order");
}
