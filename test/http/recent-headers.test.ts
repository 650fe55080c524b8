import { once } from "node:events";
import * as http from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "@jest/globals";
import { TokenAccess } from "../../src/auth/token-api.js";
import {
  type AuthClient,
  type AuthClientOptions,
  type AuthenticateOptions,
  authenticate,
  bearerToken,
  type RequestLike,
} from "../../src/index.js";
import { type FaceOptions, faces } from "../support/faces.js";
import { closeAll, closing, startAuth } from "../support/http-fixture.js";
import { listen } from "../support/raw-request.js";

afterEach(closeAll);

const users = { "token-ana": { id: "ana" }, "token-eva": { id: "eva" } };

/** A request as far as it matters here. */
function requestOf(authorization: string): RequestLike {
  return { headers: { authorization }, rawHeaders: ["Authorization", authorization] };
}

function headerIn({ headers }: RequestLike): string {
  if (headers instanceof Headers) return headers.get("authorization") as string;
  return Object.values(headers)[0] as string;
}

function isRemembered(client: AuthClient, header: string): boolean {
  return new TokenAccess(client).find(header) !== undefined;
}

/** A guarded app, and one connection to it that is kept from request to request. */
async function keepConnection(face: (typeof faces)[number]) {
  const { service, client } = await startAuth({ users });
  const server = http.createServer(face.serve("/", face.requireAuth({ client })));
  const connections: Socket[] = [];
  server.on("connection", (socket) => connections.push(socket));
  const port = await listen(server);
  const askWith = connectionTo(port);
  const ask = (...authorization: string[]) => askWith({ authorization });
  return { service, client, ask, connections };
}

/** Asks over one connection who is let in with these headers: the user's id, or the status. */
function connectionTo(port: number): (headers: Record<string, string | string[]>) => Promise<string | number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  closing({ close: async () => agent.destroy() });
  return async (headers) => {
    const request = http.get({ port, agent, headers });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const body = await text(response);
    return response.statusCode === 200 ? JSON.parse(body).user.id : (response.statusCode ?? 0);
  };
}

describe.each(faces)("on one connection, with $name,", (face) => {
  test("everyone is who their own token says, in whatever order they come", async () => {
    const { ask, service, connections } = await keepConnection(face);
    const seen: unknown[] = [];
    for (const token of ["token-ana", "token-ana", "token-eva", "token-ana", "token-eva", "token-eva", "token-anb"]) {
      seen.push(await ask(`Bearer ${token}`));
    }
    seen.push(await ask("Bearer token-ana"), await ask("Basic token-ana"), await ask("bearer token-eva"));

    expect(seen).toEqual(["ana", "ana", "eva", "ana", "eva", "eva", 401, "ana", 401, "eva"]);
    expect(service.calls.VerifyToken).toBe(3);
    expect(connections).toHaveLength(1);
  });

  test("a token that is invalidated and refused is let in no more, though its header is remembered", async () => {
    const { ask, client, service, connections } = await keepConnection(face);
    expect([await ask("Bearer token-ana"), await ask("Bearer token-ana")]).toEqual(["ana", "ana"]);
    expect(isRemembered(client, "Bearer token-ana")).toBe(true);
    service.refuse("token-ana");
    await client.invalidateToken("token-ana");

    expect([await ask("Bearer token-ana"), await ask("Bearer token-ana")]).toEqual([401, 401]);
    expect(connections).toHaveLength(1);
    expect(isRemembered(client, "Bearer token-ana")).toBe(true);
  });

  test("a second Authorization header is refused, also behind the same first one", async () => {
    const { ask } = await keepConnection(face);
    expect([await ask("Bearer token-ana"), await ask("Bearer token-ana")]).toEqual(["ana", "ana"]);

    expect(await ask("Bearer token-ana", "Bearer token-eva")).toBe(400);
    expect(await ask("Bearer token-ana", "Bearer token-ana")).toBe(400);
  });

  test("a token from elsewhere is not taken for the one in the header", async () => {
    const { client } = await startAuth({ users });
    const token = ({ headers }: { headers: unknown }) => (headers as Record<string, string | undefined>)["x-token"];
    const server = http.createServer((request, response) => {
      const guard = face.requireAuth(request.headers["x-token"] ? ({ client, token } as FaceOptions) : { client });
      face.serve("/", guard)(request, response);
    });
    const ask = connectionTo(await listen(server));
    await client.verifyToken("token-ana");
    await client.verifyToken("token-eva");

    const header = { authorization: "Bearer token-ana" };
    const both = { ...header, "x-token": "token-eva" };
    const seen: unknown[] = [];
    for (const headers of [both, header, both, header]) seen.push(await ask(headers));
    expect(seen).toEqual(["eva", "ana", "eva", "ana"]);
  });

  test.each<[string, (peekToken: Peek, spy: Peek) => Peek]>([
    ["another function", (_peekToken, spy) => spy],
    ["a copy with its properties", (peekToken, spy) => Object.assign((token: string) => spy(token), peekToken)],
    ["a proxy", (peekToken, spy) => new Proxy(peekToken, { apply: (_target, _this, [token]) => spy(token) })],
  ])("a client with %s in the place of peekToken is asked by that one", async (_what, wrap) => {
    const { ask, client } = await keepConnection(face);
    expect([await ask("Bearer token-ana"), await ask("Bearer token-ana")]).toEqual(["ana", "ana"]);
    const eva = await client.verifyToken("token-eva");
    const asked: string[] = [];
    client.peekToken = wrap(client.peekToken, (token) => {
      asked.push(token);
      return eva;
    });

    expect(await ask("Bearer token-ana")).toBe("eva");
    expect(asked).toEqual(["token-ana"]);
  });

  test.each<[string, (verifyToken: Verify, spy: Verify) => Verify]>([
    ["another function", (_verifyToken, spy) => spy],
    ["a proxy", (verifyToken, spy) => new Proxy(verifyToken, { apply: (_target, _this, [token]) => spy(token) })],
  ])("a client with %s in the place of verifyToken is asked by that one", async (_what, wrap) => {
    const { ask, client } = await keepConnection(face);
    const eva = await client.verifyToken("token-eva");
    const asked: string[] = [];
    client.verifyToken = wrap(client.verifyToken, async (token) => {
      asked.push(token);
      return eva;
    });

    expect(await ask("Bearer token-ana")).toBe("eva");
    expect(asked).toEqual(["token-ana"]);
  });
});

type Peek = AuthClient["peekToken"];
type Verify = AuthClient["verifyToken"];

test("What a client remembers of headers does not show when it is logged", async () => {
  const { client } = await startAuth({ users });
  const token = "token-ana";
  await authenticate(requestOf(`Bearer ${token}`), { client });
  const request = requestOf(`Bearer ${token}`);
  await authenticate(request, { client, attach: true });

  expect(inspect(client, { showHidden: true, depth: null })).not.toContain(token);
  const attached = (request as unknown as Record<symbol, unknown>)[Symbol.for("portero.request")];
  expect(inspect(attached, { showHidden: true, depth: null })).not.toContain(token);
});

describe("A header is remembered", () => {
  test.each<[string, RequestLike]>([
    ["of HTTP/2", { ...requestOf("Bearer token-ana"), httpVersionMajor: 2 } as RequestLike],
    ["of an upgrade", { ...requestOf("Bearer token-ana"), upgrade: true } as RequestLike],
    ["without a connection or the lines of the wire", { headers: { authorization: "Bearer token-ana" } }],
    ["of Fetch", { headers: new Headers({ authorization: "Bearer token-ana" }) }],
    ["with another spelling of its name", { headers: { Authorization: "Bearer token-ana" } }],
    ["with another spelling of the scheme", requestOf("bearer   token-ana")],
  ])("%s", async (_what, request) => {
    const { client, service } = await startAuth({ users });
    await authenticate(request, { client });
    expect(isRemembered(client, headerIn(request))).toBe(false); // the service was asked: the next one is a hit
    await authenticate(request, { client });

    expect(isRemembered(client, headerIn(request))).toBe(true);
    expect((await authenticate(request, { client })).user.id).toBe("ana");
    expect(service.calls.VerifyToken).toBe(1);
  });

  test.each<[string, Partial<AuthClientOptions["cache"]>, AuthenticateOptions<RequestLike>]>([
    ["where recentBytes is 0", { recentBytes: 0 }, {}],
    ["where the process caches no token", { ttlMs: 0 }, {}],
    ["where the service is asked each time", {}, { fresh: true }],
    ["where the token comes from elsewhere", {}, { token: bearerToken }],
  ])("never %s", async (_where, cache, options) => {
    const { client } = await startAuth({ users }, { cache: cache as object });
    const request = requestOf("Bearer token-ana");
    for (let time = 0; time < 3; time++) {
      expect((await authenticate(request, { client, ...options })).user.id).toBe("ana");
    }
    expect(isRemembered(client, "Bearer token-ana")).toBe(false);
  });
});
