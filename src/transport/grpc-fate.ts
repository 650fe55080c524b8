/**
 * What is certain about a call that an error ended:
 * - `unprocessed`: its request never left, or the server said that it did not look at it (RFC 9113 §8.7).
 * - `unconnected`: there was no connection for it to leave on, and none could be made.
 * - `cut off`: we dropped its connection ourselves.
 */
export type Fate = "unprocessed" | "unconnected" | "cut off";

const fates = new WeakMap<object, Fate>();

/** @param error as it came from a connection or one of its streams, not one that was made of it */
export function fateOf(error: object): Fate | undefined {
  return fates.get(error);
}

/** Ends a call whose connection we dropped. */
export function dropped(): Error {
  return mark(failure("ECONNABORTED", "the connection was dropped"), "cut off");
}

/** Ends a call that was certainly not processed. */
export function unprocessed(): Error {
  return mark(failure("ERR_HTTP2_STREAM_CANCEL", "the server did not look at it"), "unprocessed");
}

/** An error with a code, whose fate is not known. */
export function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** The first fate holds. */
export function mark<E extends Error>(error: E, fate: Fate): E {
  if (!fates.has(error)) fates.set(error, fate);
  return error;
}
