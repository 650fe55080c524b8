import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { type DirectoryOptions, type FakeAuthService, startAuthService } from "../../src/testing.js";

/** Far beyond what any test takes: on a busy machine nothing is asked twice because of a late answer. */
const NEVER_MS = 60_000;

const open: { close(): Promise<void> }[] = [];

/** Ana has what the tests ask for, Bea has nothing. */
export const USERS = {
  "token-ana": {
    id: "ana",
    organizationId: "org-1",
    permissions: ["products:read", "products:write"],
    locals: ["madrid", "sevilla"],
  },
  "token-bea": { id: "bea", organizationId: "org-1" },
  "token-gone": { id: "gone", isActive: false },
} satisfies DirectoryOptions["users"];

/** A fake auth service and a client of it, until {@link closeAll}. One try for each question, so that calls can be counted. */
export async function startAuth(
  directory: DirectoryOptions = {},
  options: Partial<AuthClientOptions> = {},
): Promise<{ service: FakeAuthService; client: AuthClient }> {
  const service = closing(await startAuthService({ users: USERS, ...directory }));
  const { grpc, rest } = service.upstreams;
  const client = createAuthClient({
    grpc: { ...grpc, timeoutMs: NEVER_MS },
    rest: { ...rest, timeoutMs: NEVER_MS },
    retry: { attempts: 1 },
    logger: false,
    ...options,
  });
  return { service, client: closing(client) };
}

/** To be closed when the test is over. */
export function closing<T extends { close(): Promise<void> }>(resource: T): T {
  open.push(resource);
  return resource;
}

/** For `afterEach`: clients before the services that they talk to. */
export async function closeAll(): Promise<void> {
  for (const resource of open.splice(0).reverse()) await resource.close();
}

export function bearer(token: string): { Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}
