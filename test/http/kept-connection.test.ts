import { once } from "node:events";
import * as http from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "@jest/globals";
import { connectionToken, dropConnectionToken, keepConnectionToken } from "../../src/http/connection-token.js";
import type { RequestLike } from "../../src/http/request.js";
import type { AuthClient } from "../../src/index.js";
import { type FaceOptions, faces } from "../support/faces.js";
import { closeAll, closing, startAuth } from "../support/http-fixture.js";
import { listen } from "../support/raw-request.js";

afterEach(closeAll);

const users = { "token-ana": { id: "ana" }, "token-eva": { id: "eva" } };

/** A request as far as it matters here. */
function requestOf(authorization: string, socket: object | null, httpVersionMajor = 1): RequestLike {
  return {
    headers: { authorization },
    rawHeaders: ["Authorization", authorization],
    httpVersionMajor,
    socket,
  } as never;
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

  test("a token that is invalidated and refused is let in no more", async () => {
    const { ask, client, service, connections } = await keepConnection(face);
    const kept = () => {
      const presented = () => connectionToken(requestOf("Bearer token-ana", connections[0]!));
      const first = presented();
      return presented() === first;
    };
    expect([await ask("Bearer token-ana"), await ask("Bearer token-ana")]).toEqual(["ana", "ana"]);
    expect(kept()).toBe(true);
    service.refuse("token-ana");
    await client.invalidateToken("token-ana");

    expect([await ask("Bearer token-ana"), await ask("Bearer token-ana")]).toEqual([401, 401]);
    expect(connections).toHaveLength(1);
    expect(kept()).toBe(false);
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

describe("What a connection keeps", () => {
  const presented = (given: RequestLike) => {
    const token = connectionToken(given);
    if (!token) throw new Error("no token");
    return token;
  };

  test("is the token of the last known request, for the same header alone", () => {
    const socket = {};
    const first = presented(requestOf("Bearer one", socket));
    keepConnectionToken(requestOf("Bearer one", socket), first);

    expect(presented(requestOf("Bearer one", socket))).toBe(first);
    expect(presented(requestOf("Bearer one", {}))).not.toBe(first);
    expect(presented(requestOf("Bearer two", socket)).text).toBe("two");
    expect(connectionToken(requestOf("Basic one", socket))).toBeUndefined();
    expect(presented(requestOf("Bearer one", socket)).id).toBe(first.id);
  });

  test("is nothing where nobody was known", () => {
    const socket = {};
    expect(presented(requestOf("Bearer one", socket))).not.toBe(presented(requestOf("Bearer one", socket)));
  });

  test.each<[string, RequestLike]>([
    ["on HTTP/2", requestOf("Bearer one", {}, 2)],
    ["without a connection", requestOf("Bearer one", null)],
    ["on what is no connection", requestOf("Bearer one", "a socket" as never)],
    ["of a request that ends HTTP on its connection", { ...requestOf("Bearer one", {}), upgrade: true } as RequestLike],
    ["of a header that is long for its token", requestOf(`Bearer${" ".repeat(100)}one`, {})],
  ])("is nothing %s", (_where, given) => {
    keepConnectionToken(given, presented(given));
    expect(presented(given)).not.toBe(presented(given));
  });

  test("is let go of when it is known no more", () => {
    const given = requestOf("Bearer one", {});
    const first = presented(given);
    keepConnectionToken(given, first);
    dropConnectionToken(given);

    expect(presented(given)).not.toBe(first);
  });

  test("does not show when the connection is logged", () => {
    const socket = {};
    const given = requestOf("Bearer one-secret", socket);
    keepConnectionToken(given, presented(given));

    expect(presented(given)).toBe(presented(given));
    expect(inspect(socket, { showHidden: true, depth: null })).toBe("{}");
  });
});
