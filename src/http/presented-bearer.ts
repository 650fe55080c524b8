import { PresentedToken } from "../auth/presented-token.js";
import { bearerCredentials } from "./bearer.js";
import { headerOf, isRepeated, type RequestLike } from "./request.js";

/** What a connection keeps for its next request, until it ends. */
interface Remembered {
  readonly header: string;
  readonly token: PresentedToken;
}

const LAST: unique symbol = Symbol("portero.last");
type Connection = { [LAST]?: Remembered };

/**
 * {@link bearerCredentials}, and the same object again for the same header on the same connection, where the last one was remembered.
 */
export function presentedBearer(request: RequestLike): PresentedToken | undefined {
  const last = connectionOf(request)?.[LAST];
  if (last && last.header === headerOf(request, "authorization") && !isRepeated(request, "authorization")) {
    return last.token;
  }
  const credentials = bearerCredentials(request);
  return credentials === undefined ? undefined : new PresentedToken(credentials);
}

/** Keeps the token with the connection. For tokens that are known: others are not worth the memory. */
export function rememberBearer(request: RequestLike, token: PresentedToken): void {
  const connection = connectionOf(request);
  if (!connection || connection[LAST]?.token === token) return;
  connection[LAST] = { header: headerOf(request, "authorization") as string, token };
}

/** The socket of a request of HTTP/1. One of HTTP/2 is shared by requests at the same time, and a proxy guards it. */
function connectionOf(request: RequestLike): Connection | undefined {
  const { httpVersionMajor, socket } = request as { httpVersionMajor?: number; socket?: Connection | null };
  return httpVersionMajor === 1 ? (socket ?? undefined) : undefined;
}
