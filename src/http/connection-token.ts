import { Token } from "../auth/token.js";
import { bearerCredentials } from "./bearer.js";
import { headerOf, isRepeated, type MaybeHeaded } from "./request.js";

/** Of the last request with a known token: its header, and the token in it. */
interface Kept {
  header: string;
  token: Token;
}

/** The scheme and a space; a header that is much longer than its token is not kept. */
const MAX_AROUND = 16;
/** By connection, and not on it: a socket that is logged shows no token. */
const keptTokens = new WeakMap<object, Kept>();

/**
 * The token that {@link bearerCredentials} finds: the one that the connection keeps, already checked and hashed, where the header is the
 * same.
 */
export function connectionToken(request: MaybeHeaded): Token | undefined {
  const connection = connectionOf(request);
  const kept = connection && keptTokens.get(connection);
  if (kept && kept.header === headerOf(request, "authorization") && !isRepeated(request, "authorization")) {
    return kept.token;
  }
  const credentials = bearerCredentials(request);
  return credentials === undefined ? undefined : new Token(credentials);
}

/** Keeps the token with the connection. For tokens that are known: others are not worth the memory. */
export function keepConnectionToken(request: MaybeHeaded, token: Token): void {
  if (token.isKept) return;
  const connection = connectionOf(request);
  const header = headerOf(request, "authorization");
  if (!connection || header === undefined || header.length > token.text.length + MAX_AROUND) return;
  token.isKept = true;
  const kept = keptTokens.get(connection);
  if (!kept) return void keptTokens.set(connection, { header, token });
  kept.header = header;
  kept.token = token;
}

/** Lets go of a token that is known no more. */
export function dropConnectionToken(request: MaybeHeaded): void {
  const connection = connectionOf(request);
  if (connection) keptTokens.delete(connection);
}

/**
 * The socket of a request of HTTP/1 that can bring another one: not of an upgrade. One of HTTP/2 is shared by requests at the same time,
 * and a proxy guards it.
 */
function connectionOf(request: MaybeHeaded): object | undefined {
  const { httpVersionMajor, socket, upgrade } = request as Partial<
    Record<"httpVersionMajor" | "socket" | "upgrade", unknown>
  >;
  if (httpVersionMajor !== 1 || upgrade === true) return undefined;
  return typeof socket === "object" && socket !== null ? socket : undefined;
}
