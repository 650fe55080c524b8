import type { RedisTarget } from "../../cache/redis-target.js";
import { errorCode } from "../../cache/store-error.js";
import { errorName } from "../../runtime/error-name.js";
import { storeHintOf } from "../store-hints.js";

/** What Redis could not be asked for, in words. */
export interface Explained {
  readonly says: string;
  readonly code: string | undefined;
  readonly fix: string | undefined;
}

/** How the URL asks: what is wrong depends on it. */
export type AskedWith = Pick<RedisTarget, "secure" | "credentials">;

/** What the connection, or the guard before it, says without a code. */
const SILENT = /does not answer|^connection timeout$/i;
const ENDED = /^socket closed/i;
const NO_REPLY = /can be no answer/i;

const ENCODED_PASSWORD = "redis://:…@host:port";

/** The code of a failure, or the name of its error. */
export function codeOf(error: unknown): string {
  const text = textOf(error);
  if (SILENT.test(text)) return "ETIMEDOUT";
  return errorCode(error) ?? (ENDED.test(text) ? "ECONNRESET" : errorName(error));
}

/** What to write instead. */
export function fixOf(error: unknown, { secure, credentials }: AskedWith): string | undefined {
  const code = codeOf(error);
  if (code === "ETIMEDOUT") return silenceOf({ secure });
  if (/^(ECONNRESET|EPIPE|ECONNABORTED)$/.test(code)) {
    return secure
      ? "it ended the connection: does it want a client certificate? See cache.redis.tls.cert and cache.redis.tls.key"
      : "it ended the connection: does it want TLS? Then write rediss:// in REDIS_URL";
  }
  if (code === "NOAUTH" || code === "WRONGPASS") return ofCredentials(code, credentials) ?? storeHintOf(error);
  return storeHintOf(error);
}

/** What to do about one that accepts a connection and says nothing. */
export function silenceOf({ secure }: Pick<RedisTarget, "secure">): string {
  return secure
    ? "it says nothing: does a firewall swallow it, or has it no TLS? Then write redis:// in REDIS_URL"
    : "it says nothing: does it want TLS (rediss://), does a firewall swallow it?";
}

/** Of a server that was connected to, and took no command. */
export function ofCommands(error: unknown, asked: AskedWith): Explained {
  if (NO_REPLY.test(textOf(error))) {
    const other = "is it another server's port?";
    const fix = asked.secure ? other : `${other} If it wants TLS, write rediss:// in REDIS_URL`;
    return { says: "says what no Redis would", code: undefined, fix };
  }
  const code = codeOf(error);
  return { says: `takes no commands (${code})`, code, fix: fixOf(error, asked) };
}

/** Of nodes that tell of no slots. */
export function ofSlots(error: unknown, asked: AskedWith): Explained {
  const [text, code] = [textOf(error), errorCode(error)];
  const instead = `write redis${asked.secure ? "s" : ""}:// for redis${asked.secure ? "s" : ""}+cluster://`;
  if (/cluster support disabled/i.test(text)) return { says: "it is no cluster", code, fix: instead };
  if (/^NOPERM/.test(text)) {
    return { says: "its user may not ask for the slots (NOPERM)", code, fix: "ACL SETUSER … +cluster|slots" };
  }
  if (/^ERR unknown command/i.test(text)) return { says: "it knows no cluster", code, fix: instead };
  return { says: `no node tells of its slots (${codeOf(error)})`, code: codeOf(error), fix: fixOf(error, asked) };
}

/** Of a sentinel that names no master. */
export function ofSentinel(error: unknown, asked: AskedWith): Explained {
  const [text, code] = [textOf(error), errorCode(error)];
  if (/^ERR unknown command/i.test(text)) {
    const fix = "name the sentinels, often at port 26379; for a Redis alone write redis://";
    return { says: "is no sentinel", code, fix };
  }
  if (/^(NOAUTH|WRONGPASS)/.test(text)) {
    const fix = "sentinels have users of their own: write ?sentinel_username=…&sentinel_password=… at the end";
    return { says: `lets nobody in without a password (${code})`, code, fix };
  }
  if (/^NOPERM/.test(text)) {
    const fix = "ACL SETUSER … +sentinel|get-master-addr-by-name";
    return { says: "refuses its user (NOPERM)", code, fix };
  }
  return { says: `does not answer (${codeOf(error)})`, code: codeOf(error), fix: fixOf(error, asked) };
}

/** To be looked at, never shown. */
export function textOf(error: unknown): string {
  return String((error as Error | undefined)?.message);
}

function ofCredentials(code: string, { username, password }: RedisTarget["credentials"]): string | undefined {
  if (username !== undefined && password === undefined) {
    return `the URL has a user and no password: if that is the password, write a : before it, as ${ENCODED_PASSWORD}`;
  }
  if (code !== "WRONGPASS") return undefined;
  if (username === undefined) {
    return "the password is wrong: is it encoded, # as %23? Where it is a user's, write redis://user:…@host:port";
  }
  return `user or password are wrong: are both encoded, # as %23? Where it has a password alone, write ${ENCODED_PASSWORD}`;
}
