import type { AuthClient } from "../auth/auth-client.js";
import { traitsOf } from "../auth/client-traits.js";
import { attachedAuthOf } from "./attached-auth.js";

/** One line for each client: the cause is how the application is put together, not a request. */
const warned = new WeakSet<AuthClient>();

/**
 * Says that a middleware found no token where an earlier one of the same request had found one. It may be meant; where the application
 * counts on the earlier one's user it is a mistake, and looks like an HTTP client that lost its token.
 */
export function warnOfSecondSource(maker: string, client: AuthClient, node: object): void {
  const earlier = attachedAuthOf(node);
  if (!earlier?.auth || earlier.client !== client || warned.has(client)) return;
  warned.add(client);
  traitsOf(client).logger.warn(
    `portero: ${maker} found no token on a request that an earlier ${earlier.maker ?? "requireAuth"} had let in for a user: each middleware ` +
      "reads its own token source, and this one holds from there on. Where both are to read the same, give both " +
      'token: (req) => bearerToken(req) ?? cookieToken("session")(req)',
  );
}
