import { tlsCode } from "../runtime/tls-code.js";

/** What can be shown of a store's error: the code that Node or Redis gave it (ECONNREFUSED, WRONGPASS), never its text. */
export function errorCode(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string" && /^[A-Z][A-Z\d_/]{1,63}$/.test(code)) return tlsCode(error) ?? code;
  return typeof message === "string" ? /^[A-Z]{3,20}(?= )/.exec(message)?.[0] : undefined;
}

/** Whether Redis itself said it: its answers begin with a code, what its client says does not. */
export function isReply(error: unknown): boolean {
  return /^[A-Z]{3,20} /.test(String((error as { message?: unknown } | undefined)?.message));
}

/** Operations that failed, by why; `refused`: Redis said so itself, now or when it was connected to (READONLY, NOAUTH). */
export type StoreErrors = Record<"timeout" | "not_connected" | "refused" | "other", number>;

export function newStoreErrors(): StoreErrors {
  return { timeout: 0, not_connected: 0, refused: 0, other: 0 };
}

/** An operation took longer than it may. */
export class SlowError extends Error {}

export function countError(errors: StoreErrors, error: unknown): void {
  const isOffline = error instanceof NotConnectedError;
  if (error instanceof SlowError) errors.timeout++;
  else if (isReply(isOffline ? error.cause : error)) errors.refused++;
  else if (isOffline) errors.not_connected++;
  else errors.other++;
}

/** There is no connection to the store that could take an operation. Says nothing about reads or writes: neither was tried. */
export class NotConnectedError extends Error {
  override readonly name = "NotConnectedError";
  /** What the last attempt to connect failed with: Redis' or Node's code, where there is one. */
  readonly code: string | undefined;

  constructor(cause?: unknown) {
    super("there is no connection to the shared cache", { cause });
    this.code = errorCode(cause);
  }
}

/** The connection ended while the operation was under way: it may have been carried out, or be carried out yet. */
export class LostError extends NotConnectedError {}
