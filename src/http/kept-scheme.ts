import type { AuthClient } from "../auth/auth-client.js";
import { traitsOf } from "../auth/client-traits.js";

/** One line for each client: the cause is most likely how the application is put together, though an HTTP client can do the same. */
const warned = new WeakSet<AuthClient>();

/** Says that a token source returned what the whole header holds: every request is 400 then, and nothing else would tell why. */
export function warnOfKeptScheme(maker: string, client: AuthClient): void {
  if (warned.has(client)) return;
  warned.add(client);
  traitsOf(client).logger.warn(
    `portero: the option "token" of ${maker}() returned a text that begins with "Bearer ": return the token alone, or what bearerToken(req) returns`,
  );
}
