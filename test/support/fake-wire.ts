import type { RedisWire } from "../../src/cache/redis-connection.js";

type Answer = (command: string) => Promise<unknown>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A connection to a Redis that answers as the test says. */
export class FakeWire implements RedisWire {
  /** All commands so far: the method and what it was given, in one text each. */
  readonly asked: string[] = [];
  destroyed = 0;
  readonly #answer: Answer;
  readonly #pending: Pending[] = [];
  #tell: (error: Error) => void = () => undefined;
  #accepts: (chunk: Buffer) => boolean = () => true;

  /** @param answer what comes back; without it, each command waits for {@link reply} or {@link refuse} */
  constructor(answer?: Answer) {
    this.#answer = answer ?? (() => new Promise((resolve, reject) => void this.#pending.push({ resolve, reject })));
  }

  /** Answers the command that has waited longest. */
  reply(value?: unknown): void {
    this.#pending.shift()?.resolve(value);
  }

  refuse(error: Error): void {
    this.#pending.shift()?.reject(error);
  }

  /** The client tells of an error. */
  fail(error: Error): void {
    this.#tell(error);
  }

  /** Something comes in: whether it may be decoded. */
  receive(bytes: string | Buffer): boolean {
    return this.#accepts(Buffer.from(bytes));
  }

  connect(): Promise<unknown> {
    return this.#ask("connect");
  }

  getAll(keys: readonly string[]): Promise<readonly unknown[]> {
    return this.#ask("getAll", ...keys) as Promise<readonly unknown[]>;
  }

  set(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#ask("set", key, value, `${ttlMs}`);
  }

  delete(key: string): Promise<unknown> {
    return this.#ask("delete", key);
  }

  send(words: readonly string[]): Promise<unknown> {
    return this.#ask("send", ...words);
  }

  sendAsking(words: readonly string[]): Promise<unknown> {
    return this.#ask("sendAsking", ...words);
  }

  onError(listener: (error: Error) => void): void {
    this.#tell = listener;
  }

  guard(accepts: (chunk: Buffer) => boolean): void {
    this.#accepts = accepts;
  }

  destroy(): void {
    this.destroyed++;
    for (const { reject } of this.#pending.splice(0)) reject(new Error("Socket closed unexpectedly"));
  }

  #ask(...words: string[]): Promise<unknown> {
    const command = words.join(" ");
    this.asked.push(command);
    return this.#answer(command);
  }
}
