import { inBackground } from "../runtime/channels.js";
import type { Clock } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import { type LogConnection, type LogRecord, type LogWire, NO_RECORD, UnreadableReplyError } from "./log-wire.js";
import type { RedisStore } from "./redis.js";
import type { openLink, RedisLink } from "./redis-link.js";
import { ReplyGuard } from "./reply-guard.js";
import { errorCode, NotConnectedError } from "./store-error.js";

/** About so many entries are kept: a fleet that tells 20 in a second has them for eight minutes. Not exactly, which would cost more. */
const MAX_RECORDS = 10_000;
/** Longer than a tombstone is remembered: what is older holds against no entry. In milliseconds. */
const KEPT_MS = 25 * 3_600_000;
/** The one field of an entry. */
const FIELD = "e";
/** A Redis that answers nothing for so long is not there any more, in milliseconds. */
const SILENCE_MS = 600;
/** To reach it, and to log in, in milliseconds. */
const OPENING_MS = 1000;
/** How Redis is reached. */
export interface LogSurroundings {
  /** Of the sockets. */
  readonly clock: Clock;
  readonly openLink: typeof openLink;
}

/** Of one read: the stream, its entries, each with an id and a list of a field and a value. */
const REPLY = { maxDepth: 5, maxItems: 16_384 };

/**
 * The log on Redis: a stream that lies with one master, appended to over the store's connection, and read on a connection of its own: a
 * command that came behind one which waits would wait as well.
 */
export function redisLog(
  key: string,
  { store, topology, masters, send }: RedisStore,
  { clock, openLink }: LogSurroundings,
): LogWire {
  let hasConnected = false;
  return {
    key,
    async append(text) {
      const [id] = await Promise.all([
        send(key, ["XADD", key, "MAXLEN", "~", `${MAX_RECORDS}`, "*", FIELD, text]),
        send(key, ["PEXPIRE", key, `${KEPT_MS}`]),
      ]);
      return String(id);
    },
    delete: () => send(key, ["UNLINK", key]),
    onConnected(listener) {
      store.onConnected?.(listener);
      // A Redis that is still loading has a connection, and tells of no other when it is ready.
      store.ready?.catch((error: unknown) => void (errorCode(error) === "LOADING" && listener()));
    },
    onTakenOver: (listener) => masters?.onTakenOver(listener),
    get lostAt() {
      return masters?.lostAt ?? Number.POSITIVE_INFINITY;
    },
    async connect(signal) {
      if (hasConnected) topology.doubt(); // whatever ended the one before
      hasConnected = true;
      const master = await topology.masterOf(key);
      const connection = new RedisLogConnection(key, master.id, await openLink(master), clock);
      const end = () => connection.end();
      signal.addEventListener("abort", end);
      try {
        if (signal.aborted) end();
        await connection.open();
        return connection;
      } catch (error) {
        end();
        throw error;
      } finally {
        signal.removeEventListener("abort", end);
      }
    },
  };
}

/** One command at a time. What makes no sense ends it, and so does silence. */
class RedisLogConnection implements LogConnection {
  readonly master: string;
  readonly #key: string;
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #guard = new ReplyGuard(REPLY);
  #failure: unknown;
  #onEnd: (error: unknown) => void = () => undefined;

  constructor(key: string, master: string, link: RedisLink, clock: Clock) {
    this.#key = key;
    this.master = master;
    this.#link = link;
    this.#clock = clock;
    link.onError((error) => this.#fail(error));
    link.guard((chunk) => {
      if (this.#failure === undefined && this.#guard.accepts(chunk)) return true;
      this.#fail(new UnreadableReplyError("Redis sent what can be no answer"));
      return false;
    });
  }

  /** A command that only a master takes: one that has become a replica has what is told there no more. */
  async open(): Promise<void> {
    await this.#within(OPENING_MS, () => this.#link.connect());
    await this.#send("PEXPIRE", this.#key, `${KEPT_MS}`);
  }

  async read(after: string, count: number, waitMs?: number): Promise<readonly LogRecord[]> {
    const wait = waitMs === undefined ? [] : ["BLOCK", `${waitMs}`];
    const words = ["XREAD", "COUNT", `${count}`, ...wait, "STREAMS", this.#key, after];
    const reply = await this.#within((waitMs ?? 0) + SILENCE_MS, () => this.#link.send(words));
    if (!Array.isArray(reply)) return [];
    const [stream] = reply as [[unknown, unknown]?];
    return recordsIn(stream?.[1]);
  }

  async has(id: string): Promise<boolean> {
    return recordsIn(await this.#send("XRANGE", this.#key, id, id)).length > 0;
  }

  async tail(isAdded: boolean): Promise<string> {
    if (!isAdded) {
      const [newest] = recordsIn(await this.#send("XREVRANGE", this.#key, "+", "-", "COUNT", "1"));
      if (newest) return newest.id;
      await this.read(NO_RECORD, 1); // a process that may not read leaves nothing behind
    }
    const id = String(await this.#send("XADD", this.#key, "MAXLEN", "~", `${MAX_RECORDS}`, "*", FIELD, ""));
    await this.#send("PEXPIRE", this.#key, `${KEPT_MS}`);
    return id;
  }

  delete(): Promise<unknown> {
    return this.#send("UNLINK", this.#key);
  }

  end(): void {
    this.#fail(new Error("the connection is not needed any more"));
  }

  #send(...words: string[]): Promise<unknown> {
    return this.#within(SILENCE_MS, () => this.#link.send(words));
  }

  /** The operation, unless the connection ends first, or nothing comes for so long. */
  #within(ms: number, operation: () => Promise<unknown>): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(new NotConnectedError(this.#failure));
    return new Promise((resolve, reject) => {
      const timer = setPatientTimeout(this.#clock, () => this.#fail(new Error("Redis does not answer")), ms);
      this.#onEnd = (error) => {
        timer.clear(); // the operation may never end
        reject(new NotConnectedError(error));
      };
      inBackground(operation)
        .then(resolve, reject)
        .finally(() => timer.clear());
    });
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#link.destroy();
    this.#onEnd(error);
  }
}

function recordsIn(list: unknown): LogRecord[] {
  if (!Array.isArray(list)) return [];
  return list.filter(Array.isArray).map(([id, fields]) => ({ id: String(id), text: textIn(fields) }));
}

function textIn(fields: unknown): string | undefined {
  if (!Array.isArray(fields) || fields.length !== 2 || fields[0] !== FIELD) return undefined;
  return typeof fields[1] === "string" ? fields[1] : undefined;
}
