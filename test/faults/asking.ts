import type { IncomingMessage } from "node:http";
import { type AuthClient, AuthError, authenticate, requireLocal, requirePermission } from "../../src/index.js";

/** A request with this token, whatever becomes of it. */
export async function ask(client: AuthClient, token: string): Promise<void> {
  try {
    await authenticate(requestWith(token), { client });
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
  }
}

/** A guard denies it, of token-ana. */
export async function askToWrite(client: AuthClient): Promise<void> {
  const request = requestWith("token-ana");
  await authenticate(request, { client, attach: true });
  const response = { writeHead: () => response, end: () => response };
  requirePermission("write")(request as IncomingMessage, response as never, () => undefined);
}

/** A guard that asks the auth service each time, of token-ana. */
export async function askForLocal(client: AuthClient): Promise<void> {
  const request = { ...requestWith("token-ana"), params: { id: "local-1" } };
  await authenticate(request, { client, attach: true });
  await new Promise<void>((resolve) => {
    const response = { writeHead: () => response, end: () => resolve() };
    requireLocal("id", { fresh: true })(request as never, response as never, () => resolve());
  });
}

function requestWith(token: string): Pick<IncomingMessage, "headers"> {
  return { headers: { authorization: `Bearer ${token}` } };
}
