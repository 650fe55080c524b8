import { Token } from "../auth/token.js";
import { bearerCredentials } from "./bearer.js";
import { headerOf, isRepeated, type MaybeHeaded } from "./request.js";

/** What a connection keeps for its next request, until it ends. */
interface Remembered {
  header: string;
  token: Token;
}

/** The scheme and a space; a header that is much longer than its token is not kept. */
const MAX_AROUND = 16;
/** Beside the connections, not on them: who logs a socket does not log a token. */
const last = new WeakMap<object, Remembered>();

/**
 * {@link bearerCredentials}, and the same object again for the same header on the same connection, where the last one was remembered.
 */
export function presentedBearer(request: MaybeHeaded): Token | undefined {
  const connection = connectionOf(request);
  const remembered = connection && last.get(connection);
  if (remembered && remembered.header === headerOf(request, "authorization") && !isRepeated(request, "authorization")) {
    return remembered.token;
  }
  const credentials = bearerCredentials(request);
  return credentials === undefined ? undefined : new Token(credentials);
}

/** Keeps the token with the connection. For tokens that are known: others are not worth the memory. */
export function rememberBearer(request: MaybeHeaded, token: Token): void {
  if (token.isKept) return;
  const connection = connectionOf(request);
  const header = headerOf(request, "authorization");
  if (!connection || header === undefined) return;
  const remembered = last.get(connection);
  if (header.length > token.text.length + MAX_AROUND) return;
  token.isKept = true;
  if (!remembered) return void last.set(connection, { header, token });
  remembered.header = header;
  remembered.token = token;
}

/** Lets go of a token that is known no more. */
export function forgetBearer(request: MaybeHeaded): void {
  const connection = connectionOf(request);
  if (connection) last.delete(connection);
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
