import { type AuthClient, authenticate, createAuthClient, getAuth } from "../../src/index.js";
import { afterwards, startService } from "../support/open-client.js";
import { BEARER, client } from "./apps.js";
import { type Mistake, messageOf } from "./mistake.js";

/** The message of what a method of a client throws, or rejects with. */
async function ofClient(call: (own: AuthClient) => unknown): Promise<string> {
  const { upstreams } = await startService({ users: { "token-ana": { id: "ana" } } });
  const own = createAuthClient({ ...upstreams, logger: false });
  afterwards(() => own.close());
  return messageOf(() => call(own));
}

/** Of the methods of a client, and of functions that take a request: said when they are called. */
export const clientRows: readonly Mistake[] = [
  {
    is: "verifyToken of a whole header",
    make: () => ofClient((own) => own.verifyToken("Bearer token-ana")),
    says: ['The token still has its scheme, "Bearer", before it.'],
  },
  {
    is: "authenticate of the headers",
    make: () => messageOf(() => authenticate(BEARER as never, { client })),
    says: ["authenticate() takes the request, not its headers: pass req, or { headers }"],
  },
  {
    is: "authenticate of a token",
    make: () => messageOf(() => authenticate("token-ana" as never, { client })),
    says: ["authenticate() takes the request, got a string; a token alone goes to client.verifyToken(token)"],
  },
  {
    is: "getAuth of nothing",
    make: () => messageOf(() => getAuth(undefined as never)),
    says: ["getAuth() takes the request, got nothing"],
  },
  {
    is: "a look-up of the user of a token",
    make: () => ofClient(async (own) => own.getUserPermissions((await own.verifyToken("token-ana")).user as never)),
    says: [
      "getUserPermissions takes { userId, organizationId }",
      "write getUserPermissions({ userId: user.id, organizationId: user.organizationId })",
    ],
  },
  {
    is: "invalidateUser of an id",
    make: () => ofClient((own) => own.invalidateUser("ana" as never)),
    says: ["invalidateUser takes { userId, organizationId }: write invalidateUser({ userId, organizationId })"],
  },
  {
    is: "a look-up of the organization of a user",
    make: () => ofClient(async (own) => own.getOrganization((await own.verifyToken("token-ana")).user as never)),
    says: ["getOrganization takes the id of an organization: write getOrganization(user.organizationId)"],
  },
  {
    is: "ready with a number",
    make: () => ofClient((own) => own.ready(1000 as never)),
    says: ["write ready(AbortSignal.timeout(1000))"],
  },
  {
    is: "ready with a timeout",
    make: () => ofClient((own) => own.ready({ timeoutMs: 300 } as never)),
    says: ['ready() has no option "timeoutMs": write { signal: AbortSignal.timeout(300) }'],
  },
  {
    is: "a misspelt event",
    make: () => ofClient((own) => own.on("brekaer" as never, () => undefined)),
    says: ['there is no event "brekaer"; did you mean breaker? There are fallback, breaker, replica, cache'],
  },
];
