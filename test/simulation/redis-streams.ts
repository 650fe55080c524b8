import type { VirtualClock } from "./virtual-clock.js";

/** An entry: its id, and what stands in it, fields and values in turn. */
export type StreamEntry = readonly [id: string, fields: readonly string[]];

interface Stream {
  readonly entries: readonly StreamEntry[];
  /** Ids only grow, whatever was trimmed. */
  readonly last: Id;
}

type Id = readonly [ms: number, sequence: number];

/** Something else than a stream lies there. */
const OTHER_TYPE = "a string";

/** The streams of a Redis, as the log uses them, and what is said of what it does not understand. */
export class RedisStreams {
  /** How far the clock of the server is ahead, in milliseconds: ids go by it. */
  aheadMs = 0;
  readonly #clock: VirtualClock;
  readonly #keys = new Map<string, Stream | typeof OTHER_TYPE>();
  readonly #onChange: (key: string, undo: () => void) => void;

  /** @param onChange told of each change, and how to undo it */
  constructor(clock: VirtualClock, onChange: (key: string, undo: () => void) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get keys(): string[] {
    return [...this.#keys.keys()];
  }

  entriesOf(key: string): readonly StreamEntry[] {
    const stream = this.#keys.get(key);
    return stream === undefined || stream === OTHER_TYPE ? [] : stream.entries;
  }

  isSpoilt(key: string): boolean {
    return this.#keys.get(key) === OTHER_TYPE;
  }

  /** Runs one command; a read that may wait brings `undefined` where there is nothing to read. */
  run(words: readonly string[]): unknown {
    const [command, ...args] = words;
    switch (command) {
      case "XADD":
        return this.add(args[0]!, args.slice(-2));
      case "PEXPIRE":
        return this.#keys.has(args[0]!) ? 1 : 0;
      case "UNLINK":
        return this.#set(args[0]!, undefined);
      case "XREAD": {
        const [key, after] = args.slice(-2) as [string, string];
        const found = this.#stream(key)?.entries.filter(([id]) => isAfter(idOf(id), idOf(after))) ?? [];
        const count = Number(args[args.indexOf("COUNT") + 1]);
        return found.length === 0 ? undefined : [[key, found.slice(0, count)]];
      }
      case "XRANGE":
        return this.#stream(args[0]!)?.entries.filter(([id]) => id === args[1]) ?? [];
      case "XREVRANGE":
        return this.#stream(args[0]!)?.entries.slice(-1) ?? [];
      default:
        throw new Error(`ERR unknown command '${command}'`);
    }
  }

  add(key: string, fields: readonly string[]): string {
    const { entries, last } = this.#stream(key) ?? { entries: [], last: [0, 0] as Id };
    const now = this.#clock.wall + this.aheadMs;
    const next: Id = now > last[0] ? [now, 0] : [last[0], last[1] + 1];
    const id = next.join("-");
    this.#set(key, { entries: [...entries, [id, fields]], last: next });
    return id;
  }

  /** Only the newest so many are left. */
  trim(key: string, kept: number): void {
    const stream = this.#keys.get(key);
    if (stream === undefined || stream === OTHER_TYPE || stream.entries.length <= kept) return;
    this.#set(key, { ...stream, entries: kept === 0 ? [] : stream.entries.slice(-kept) });
  }

  delete(key: string): void {
    this.#set(key, undefined);
  }

  /** Somebody else writes something else there. */
  spoil(key: string): void {
    this.#set(key, OTHER_TYPE);
  }

  #stream(key: string): Stream | undefined {
    const stream = this.#keys.get(key);
    if (stream === OTHER_TYPE) throw new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
    return stream;
  }

  #set(key: string, value: Stream | typeof OTHER_TYPE | undefined): number {
    const before = this.#keys.get(key);
    const put = (next: typeof before) => {
      if (next === undefined) this.#keys.delete(key);
      else this.#keys.set(key, next);
    };
    put(value);
    this.#onChange(key, () => put(before));
    return before === undefined ? 0 : 1;
  }
}

function idOf(text: string): Id {
  const [ms, sequence] = text.split("-").map(Number);
  return [ms!, sequence!];
}

function isAfter(id: Id, other: Id): boolean {
  return id[0] > other[0] || (id[0] === other[0] && id[1] > other[1]);
}

export function noRights(command: string): Error {
  return new Error(`NOPERM this user has no permissions to run the '${command}' command`);
}
