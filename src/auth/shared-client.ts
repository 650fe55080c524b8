import type { AuthClient } from "./auth-client.js";
import { optionsFromEnv } from "./config/environment.js";
import { createAuthClient } from "./create-auth-client.js";

/** The same in both module formats of this package. */
const SHARED: unique symbol = Symbol.for("portero.client") as never;
const shared = globalThis as { [SHARED]?: AuthClient };

/**
 * The client of this process, made from the environment when it is first asked for.
 *
 * @throws ConfigError that names every variable that cannot be used
 */
export function getAuthClient(): AuthClient {
  const existing = shared[SHARED];
  if (existing) return existing;
  const client = createAuthClient(optionsFromEnv());
  const close = async () => {
    if (shared[SHARED] === closable) shared[SHARED] = undefined; // the next call makes another
    await client.close();
  };
  const closable: AuthClient = { ...client, close, [Symbol.asyncDispose]: close };
  shared[SHARED] = closable;
  return closable;
}
