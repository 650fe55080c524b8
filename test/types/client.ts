import {
  type AnyAuthError,
  type AuthClientOptions,
  AuthError,
  type AuthErrorCode,
  authenticate,
  ConfigError,
  cookieToken,
  createAuthClient,
  getAuthClient,
  type Organization,
  optionsFromEnv,
  type TlsOptions,
  type VerifiedToken,
} from "portero/client";
import { AuthService } from "portero/proto";
import { startAuthService, stubAuthClient } from "portero/testing";

// The code tells the status.
export function meaning(error: AnyAuthError): string {
  switch (error.code) {
    case "missing_token":
    case "invalid_token":
    case "inactive_user": {
      const status: 401 = error.status;
      return `${status}`;
    }
    case "invalid_request":
    case "missing_parameter": {
      const status: 400 = error.status;
      return `${status}`;
    }
    case "insufficient_scope":
    case "cross_site":
    case "lookup_refused": {
      const status: 403 = error.status;
      return `${status}`;
    }
    case "auth_unavailable":
    case "overloaded": {
      const status: 503 = error.status;
      return `${status} ${error.headers["Retry-After"]}`;
    }
    default: {
      const nothingLeft: never = error;
      return nothingLeft;
    }
  }
}

export function statusOf(error: unknown): number {
  if (error instanceof ConfigError) return error.problems.length;
  if (!(error instanceof AuthError)) return 500;
  const code: AuthErrorCode = error.code;
  const status: 400 | 401 | 403 | 503 = error.status;
  return code === "overloaded" ? 429 : status;
}

const options: AuthClientOptions = { ...optionsFromEnv(), logger: false, cache: { ttlMs: 60_000 } };

export async function use(): Promise<Organization> {
  await using client = createAuthClient(options);
  const verified: VerifiedToken = await client.verifyToken("token", { signal: AbortSignal.timeout(100), fresh: true });
  const peeked: VerifiedToken | undefined = client.peekToken("token");
  const off: () => void = client.on("breaker", ({ upstream, to }) => `${upstream} ${to}`);
  off();
  await client.invalidateUser({ userId: verified.user.id, organizationId: verified.user.organizationId });
  return client.getOrganization(peeked?.user.organizationId ?? "org-1");
}

// Whatever has headers.
export const authenticated: Promise<VerifiedToken>[] = [
  authenticate(new Request("http://api.example.com/")),
  authenticate({ headers: new Headers() }, { client: getAuthClient() }),
  authenticate({ headers: { authorization: "Bearer abc" } }, { realm: "sockets" }),
  authenticate({ headers: {}, ticket: "abc" }, { token: ({ ticket }) => ticket }),
  authenticate({ headers: null, cookies: ["a=b"] }, { attach: true }),
  authenticate({ headers: { Authorization: ["Bearer abc"] } }),
  authenticate(new Request("http://api.example.com/"), {
    token: cookieToken("session", { trustedOrigins: ["https://app.example.com"] }),
  }),
];

export const typeName: string = AuthService.typeName;
export const stub = stubAuthClient({ users: { abc: { id: "ana", locals: ["madrid"] } } });
export const starting = startAuthService({ organizations: { "org-1": { modules: ["inventory"] } } });

// Certificates, or a function that returns them.
const certificates: TlsOptions = { ca: ["-----BEGIN CERTIFICATE-----"], cert: Buffer.alloc(0), key: "" };
export const tls: AuthClientOptions = {
  grpc: { url: "https://auth.example", tls: () => certificates },
  rest: { url: "https://auth.example", tls: certificates },
  cache: { redis: { url: "rediss://redis.example", tls: () => certificates } },
};
