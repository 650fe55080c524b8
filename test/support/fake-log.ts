import { type LogConnection, type LogRecord, type LogWire, UnreadableReplyError } from "../../src/cache/log-wire.js";
import type { Clock } from "../../src/runtime/clock.js";

/** A stream in memory, whose connections can be cut, and that can lose what was told. */
export class FakeLog implements LogWire {
  readonly key = "portero:1:log:fake";
  /** Commands on connections that read, in order. */
  readonly commands: string[] = [];
  records: LogRecord[] = [];
  /** Of the master that new connections lead to. */
  master = "one";
  /** What connecting, or appending, fails with. */
  refusal: unknown;
  appendRefusal: unknown;
  /** What is too much for an answer. */
  isTooMuch: (records: readonly LogRecord[]) => boolean = () => false;
  /** Called before an answer leaves, with the command that it answers. */
  before: (command: string) => unknown = () => undefined;
  #last = 0;
  readonly #clock: Clock;
  readonly #connections = new Set<FakeConnection>();
  readonly #listeners: (() => void)[] = [];
  readonly #takenOverListeners: (() => void)[] = [];
  lostAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async append(text: string): Promise<string> {
    if (this.appendRefusal !== undefined) throw this.appendRefusal;
    return this.add(text);
  }

  add(text: string): string {
    const id = `${++this.#last}-0`;
    this.records = [...this.records, { id, text }];
    for (const connection of this.#connections) connection.wake();
    return id;
  }

  async delete(): Promise<void> {
    this.records = [];
    this.appendRefusal = undefined;
  }

  onConnected(listener: () => void): void {
    this.#listeners.push(listener);
  }

  onTakenOver(listener: () => void): void {
    this.#takenOverListeners.push(listener);
  }

  /** Another master took over a part of the store. */
  takenOver(): void {
    for (const listener of this.#takenOverListeners) listener();
  }

  /** The store has a new connection. */
  connected(): void {
    for (const listener of this.#listeners) listener();
  }

  async connect(): Promise<LogConnection> {
    this.commands.push("connect");
    if (this.refusal !== undefined) throw this.refusal;
    const connection = new FakeConnection(this, this.#clock, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }

  cut(): void {
    for (const connection of [...this.#connections]) connection.end();
  }

  /** Begins anew, as a Redis that was empty when it started, or one whose clock is behind. */
  restart(last = 0): void {
    this.records = [];
    this.#last = last;
    this.cut();
  }
}

class FakeConnection implements LogConnection {
  readonly master: string;
  readonly #log: FakeLog;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(log: FakeLog, clock: Clock, onEnd: () => void) {
    this.#log = log;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.master = log.master;
  }

  async read(after: string, count: number, waitMs?: number): Promise<readonly LogRecord[]> {
    const found = () => this.#log.records.filter(({ id }) => numberOf(id) > numberOf(after)).slice(0, count);
    if (waitMs !== undefined && found().length === 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimeout(resolve, waitMs);
        this.#wake = () => {
          timer.clear();
          resolve();
        };
      });
    }
    return this.#answer(`read ${after}${waitMs === undefined ? "" : ` ${waitMs}`}`, () => this.#checked(found()));
  }

  has(id: string): Promise<boolean> {
    return this.#answer(`has ${id}`, () => this.#log.records.some((record) => record.id === id));
  }

  tail(isAdded: boolean): Promise<string> {
    if (isAdded) return this.#answer("tail added", () => this.#log.add(""));
    return this.#answer("tail", () => this.#checked(this.#log.records.slice(-1))[0]?.id ?? this.#log.add(""));
  }

  #checked(records: readonly LogRecord[]): readonly LogRecord[] {
    if (!this.#log.isTooMuch(records)) return records;
    this.end();
    throw new UnreadableReplyError();
  }

  async delete(): Promise<void> {
    await this.#log.delete();
  }

  wake(): void {
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#onEnd();
    this.#wake();
  }

  async #answer<T>(command: string, answer: () => T): Promise<T> {
    if (this.#ended) throw new Error("the connection was lost");
    this.#log.commands.push(command);
    const answered = answer();
    await this.#log.before(command);
    if (this.#ended) throw new Error("the connection was lost");
    return answered;
  }
}

function numberOf(id: string): number {
  return Number(id.split("-")[0]);
}
