/** One entry of the stream. */
export interface LogRecord {
  readonly id: string;
  /** Its one field; `undefined` where it has another form. */
  readonly text: string | undefined;
}

/** Before all entries. */
export const NO_RECORD = "0-0";

/** Rights may be granted, and Redis be replaced by a newer one: it is tried again after so long, in milliseconds. */
export const RIGHTS_PAUSE_MS = 300_000;

/** A connection on which the stream is read, and nothing else is done. Every method rejects when it is lost. */
export interface LogConnection {
  /** The master that it leads to, where masters can be told apart. */
  readonly master: string;
  /**
   * What follows on that entry, the oldest first; none where nothing did.
   *
   * @param count so many at most
   * @param waitMs waits so long for the first of them; default: not at all
   */
  read(after: string, count: number, waitMs?: number): Promise<readonly LogRecord[]>;
  /** Whether an entry is still there. */
  has(id: string): Promise<boolean>;
  /**
   * The newest entry. Where there is none, one that says nothing is added: while it is there, nothing behind it was lost, which an empty
   * stream could not say after a new connection.
   *
   * @param isAdded one is added in any case: the newest so far may not be readable
   */
  tail(isAdded: boolean): Promise<string>;
  /** Deletes the stream, or whatever lies in its place. */
  delete(): Promise<unknown>;
  /** Ends it at once. */
  end(): void;
}

/** The stream that processes tell each other of invalidations by, wherever it lies. */
export interface LogWire {
  /** Its key: entries are sealed for it. */
  readonly key: string;
  /** Adds an entry, over the connection of the store; resolves with its id. */
  append(text: string): Promise<string>;
  /** Deletes it in the same way. */
  delete(): Promise<unknown>;
  /** Calls back with each new connection over which is appended. */
  onConnected(listener: () => void): void;
  /** Calls back when another master took over a part of the store, before that can be used: its last writes may be lost. */
  onTakenOver(listener: () => void): void;
  /** When the first master was lost of those that are away now: monotonic, in milliseconds; at the end of time where all are there. */
  readonly lostAt: number;
  /** Makes a connection to the master that has it. Rejects where it cannot be read there, and when the signal aborts. */
  connect(signal: AbortSignal): Promise<LogConnection>;
}

/** Redis answered more than may be taken, or what makes no sense. */
export class UnreadableReplyError extends Error {
  override readonly name = "UnreadableReplyError";
}

/** Whether a connection was lost by that. */
export function isUnreadable(error: unknown): boolean {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return error instanceof UnreadableReplyError || cause instanceof UnreadableReplyError;
}

/** Whether Redis said that there can be no log: the rights are missing, or the commands. */
export function isUnusable(error: unknown): boolean {
  const text = messageOf(error);
  return (
    text.startsWith("NOPERM") ||
    /^ERR unknown (sub)?command|^(ERR )?(unsupported|invalid) (command|request)/i.test(text)
  );
}

/** The same in whatever words, as proxies have their own: of a command right behind one that went well on the same connection. */
export function isRefused(error: unknown): boolean {
  const text = messageOf(error);
  return isUnusable(error) || (text.startsWith("ERR ") && !isBroken(error) && !PASSES.test(text));
}

/** What a proxy says of a Redis behind it that is out of reach for now. */
const PASSES =
  /time|closed|connect|reset|refused|unavailable|unreachable|down|again|busy|overload|limit|max number|upstream|backend|host/i;

/** Whether something else than a stream lies there, or one that takes no more entries. */
export function isBroken(error: unknown): boolean {
  const text = messageOf(error);
  return text.startsWith("WRONGTYPE") || /^ERR The (stream has exhausted|ID specified in XADD)/i.test(text);
}

/** Whether another Redis has it, or will have it: asked at once, it would say the same. */
export function isElsewhere(error: unknown): boolean {
  return /^(MOVED|ASK|CROSSSLOT|CLUSTERDOWN|READONLY|LOADING) /.test(messageOf(error));
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | undefined)?.message);
}
