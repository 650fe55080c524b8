import request, { type Response } from "supertest";
import type { AuthClient, AuthErrorCode } from "../../src/client.js";
import { cookieToken } from "../../src/client.js";
import type { Face, FaceOptions, Step } from "../support/faces.js";
import { bearer, startAuth } from "../support/http-fixture.js";
import { ManualClock, settle } from "../support/manual-clock.js";

/** One row of the error table: what is sent, and how to come by it. */
export interface ErrorRow {
  readonly code: AuthErrorCode;
  readonly status: number;
  readonly challenge?: string;
  readonly retryAfter?: string;
  /** Runs into the error, with this `requireAuth`. */
  provoke(face: Face, requireAuth: (options: FaceOptions) => Step): Promise<Response>;
}

type Provoke = ErrorRow["provoke"];

export const errorRows: readonly ErrorRow[] = [
  {
    code: "missing_token",
    status: 401,
    challenge: 'Bearer realm="api"',
    provoke: guarded({}),
  },
  {
    code: "invalid_request",
    status: 400,
    challenge: 'Bearer realm="api", error="invalid_request"',
    provoke: guarded({ headers: bearer("token-secret and-more") }),
  },
  {
    code: "invalid_token",
    status: 401,
    challenge: 'Bearer realm="api", error="invalid_token"',
    provoke: guarded({ headers: bearer("token-secret") }),
  },
  {
    code: "inactive_user",
    status: 401,
    challenge: 'Bearer realm="api", error="invalid_token"',
    provoke: guarded({ headers: bearer("token-secret-of-inactive") }),
  },
  {
    code: "insufficient_scope",
    status: 403,
    challenge: 'Bearer realm="api", error="insufficient_scope", scope="products:write"',
    provoke: guarded({
      headers: bearer("token-secret-of-bea"),
      guard: (face) => face.requirePermission("products:write"),
    }),
  },
  {
    code: "cross_site",
    status: 403,
    provoke: guarded({
      method: "post",
      token: cookieToken("session"),
      headers: { Cookie: "session=token-secret-of-bea", "Sec-Fetch-Site": "cross-site" },
    }),
  },
  {
    code: "missing_parameter",
    status: 400,
    provoke: guarded({
      headers: bearer("token-secret-of-bea"),
      guard: (face) => face.requireLocal({ header: "X-Local-ID" }),
    }),
  },
  {
    code: "lookup_refused",
    status: 403,
    provoke: guarded({
      headers: bearer("token-secret-of-bea"),
      guard: (face, client) => face.requireUser(async () => (await client.getOrganization("org-9")).isActive),
    }),
  },
  {
    code: "auth_unavailable",
    status: 503,
    retryAfter: "13",
    async provoke(face, requireAuth) {
      // The clock stands still, so an open breaker stays open for all of its time.
      const breaker = { failureThreshold: 1, recoveryMs: 12_500 };
      const { service, client } = await startAuth({}, { clock: new ManualClock(), breaker, retry: { attempts: 1 } });
      await Promise.all([service.grpc.stop(), service.rest.stop()]);
      await client.verifyToken("opens-both-breakers").catch(() => undefined);
      return request(face.serveBare("/", requireAuth({ client })))
        .get("/")
        .set(bearer("token-secret"));
    },
  },
  {
    code: "overloaded",
    status: 503,
    retryAfter: "1",
    async provoke(face, requireAuth) {
      const { service, client } = await startAuth({}, { limit: { maxConcurrent: 1, maxQueue: 0 } });
      service.grpc.hang();
      const occupant = client.verifyToken("takes-the-only-place").catch(() => undefined);
      while (client.status().upstream.active === 0) await settle();
      const response = await request(face.serveBare("/", requireAuth({ client })))
        .get("/")
        .set(bearer("token-secret"));
      service.grpc.allow();
      await occupant;
      return response;
    },
  },
];

interface Attempt {
  readonly method?: "get" | "post";
  readonly headers?: Record<string, string>;
  readonly token?: FaceOptions["token"];
  readonly guard?: (face: Face, client: AuthClient) => Step;
}

function guarded({ method = "get", headers = {}, token, guard }: Attempt): Provoke {
  return async (face, requireAuth) => {
    const users = {
      "token-secret-of-bea": { id: "bea", organizationId: "org-1" },
      "token-secret-of-inactive": { id: "ina", isActive: false },
    };
    const { client } = await startAuth({ users });
    const steps = guard ? [guard(face, client)] : [];
    const app = face.serveBare("/", requireAuth({ client, ...(token && { token }) }), ...steps);
    return request(app)[method]("/").set(headers);
  };
}
