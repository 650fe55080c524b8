import { describe, expect, test } from "@jest/globals";
import express, { type RequestHandler } from "express";
import request from "supertest";
import { FreshTurns } from "../../src/cache/fresh-turns.js";
import { compoundId } from "../../src/cache/keyring.js";
import { subjectKey } from "../../src/cache/subject-invalidations.js";
import { requireAuth, requireLocal, requireModule } from "../../src/index.js";
import { Standing } from "../../src/runtime/standing.js";
import { isKnown, standingOf } from "../../src/transport/call-context.js";
import type { FakeUpstream } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { until } from "../support/until.js";
import { inMemoryClients } from "./in-memory-client.js";
import { refused } from "./two-upstreams.js";

const TTL_MS = 300_000;
/** The user that every token of the fake upstream belongs to. */
const SHARE = subjectKey("user", compoundId("org-1", "from-grpc"));
const REF = { userId: "from-grpc", organizationId: "org-1" };

const create = inMemoryClients();

/** Whose share each question took that reached the upstream; `undefined`: a stranger's. */
function shares({ calls }: FakeUpstream) {
  return calls.map(({ context }) => standingOf(context).user);
}

describe("a token is known", () => {
  test("when the process holds an entry for it, expired though that is, and else a stranger's", async () => {
    const { clock, client, grpc } = create();
    await client.verifyToken("token-ana");
    await clock.advance(TTL_MS);
    await client.verifyToken("token-ana");
    await client.verifyToken("token-ana", { fresh: true });
    await client.verifyToken("token-ben");
    expect(shares(grpc)).toStrictEqual([undefined, SHARE, SHARE, undefined]);
  });

  test("when its entry is void: the user was invalidated", async () => {
    const { client, grpc } = create();
    await client.verifyToken("token-ana");
    await client.invalidateUser(REF);
    await client.verifyToken("token-ana");
    expect(shares(grpc)).toStrictEqual([undefined, SHARE]);
  });

  test("no more, once it was refused or invalidated itself", async () => {
    const { client, grpc } = create({ cache: { refusalTtlMs: 0 } });
    await client.verifyToken("token-ana");
    grpc.script.push(refused("grpc"));
    await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    await client.verifyToken("token-ana");
    await client.invalidateToken("token-ana");
    await client.verifyToken("token-ana");
    expect(shares(grpc)).toStrictEqual([undefined, SHARE, undefined, undefined]);
  });

  test("when it is refreshed in the background", async () => {
    const { clock, client, grpc, turn } = create();
    await client.verifyToken("token-ana");
    await clock.advance(TTL_MS * 0.85);
    expect(client.peekToken("token-ana")).toBeDefined();
    await turn();
    expect(shares(grpc)).toStrictEqual([undefined, SHARE]);
  });

  test("when the shared cache has an entry for it, expired or void: a process just started knows no other", async () => {
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock), namespace: "shop", staleIfErrorMs: 2 * TTL_MS };
    const before = create({ clock, cache });
    await before.client.verifyToken("token-ana");
    await before.client.verifyToken("token-ben");
    await before.client.verifyToken("token-cid");
    await clock.advance(TTL_MS);

    const { client, grpc } = create({ clock, cache });
    await client.verifyToken("token-ana");
    await client.invalidateUser(REF);
    await client.verifyToken("token-ben");
    await client.verifyToken("token-dan");
    await client.verifyToken("token-cid", { fresh: true }); // which does not look
    expect(shares(grpc)).toStrictEqual([SHARE, SHARE, undefined, undefined]);
  });
});

describe("a look-up is known", () => {
  function open(guards: Record<string, RequestHandler>) {
    const made = create();
    const app = express();
    app.use(requireAuth({ client: made.client }));
    for (const [path, guard] of Object.entries(guards)) app.get(path, guard, (_req, res) => void res.end("in"));
    return { ...made, get: (path: string) => request(app).get(path).set("Authorization", "Bearer token-ana") };
  }

  test("when a guard asks about the user that it let in, or that user's organization", async () => {
    const { grpc, get } = open({ "/:local": requireLocal("local", { fresh: true }), "/": requireModule("stock") });
    await get("/madrid");
    await get("/");
    expect(grpc.calls.map(({ method }) => method.name)).toEqual(["VerifyToken", "GetUserLocals", "GetOrganization"]);
    expect(shares(grpc)).toStrictEqual([undefined, SHARE, SHARE]);
  });

  test("not when the application asks, about a user that is known or not", async () => {
    const { client, clock, grpc, turn } = create();
    await client.verifyToken("token-ana");
    await client.getUserLocals(REF);
    await client.getUserPermissions(REF);
    await client.getOrganization("org-1");
    await clock.advance(3_600_000);
    await client.getUserLocals(REF); // an entry is held, but anyone can make the application look up anything
    expect(shares(grpc)).toStrictEqual([undefined, undefined, undefined, undefined, undefined]);
    await clock.advance(3_600_000 * 0.95);
    await client.getUserLocals(REF); // a refresh of what is held, once per entry
    await turn();
    expect(shares(grpc).at(-1)).toBe(SHARE);
  });

  test("also through a client of the application's own that copies the options", async () => {
    const { client, grpc } = create();
    const wrapped = {
      ...client,
      getOrganization: (id: string, call?: object) => client.getOrganization(id, { ...call, fresh: true }),
    };
    const app = express();
    app.use(requireAuth({ client: wrapped }));
    app.get("/", requireModule("stock"), (_req, res) => void res.end("in"));
    await request(app).get("/").set("Authorization", "Bearer token-ana");
    expect(shares(grpc)).toStrictEqual([undefined, SHARE]);
  });
});

describe("a stranger's question moves up when a known one joins it", () => {
  test("a guard's look-up joins one of the application", async () => {
    const { client, grpc, turn } = create();
    const app = express();
    app.use(requireAuth({ client }));
    app.get("/", requireModule("stock"), (_req, res) => void res.end("in"));
    await client.verifyToken("token-ana");
    grpc.behaviour = "hold";
    const strangers = client.getOrganization("org-1");
    await turn();
    expect(shares(grpc)).toStrictEqual([undefined, undefined]);
    const guarded = request(app).get("/").set("Authorization", "Bearer token-ana");
    guarded.end(() => undefined);
    await until(() => isKnown(grpc.calls[1]?.context));
    expect(shares(grpc)).toStrictEqual([undefined, SHARE]);
    grpc.held[0]?.answer();
    expect(await strangers).toMatchObject({ id: "org-1" });
  });

  test("and not when another stranger's does: the latest is still the next", async () => {
    const { client, grpc, turn } = create({ limit: { maxConcurrent: 1 } });
    grpc.behaviour = "hold";
    for (const token of ["token-a", "token-b", "token-c", "token-b"]) {
      void client.verifyToken(token).catch(() => undefined);
      await turn();
    }
    grpc.held[0]?.answer();
    await turn();
    expect(grpc.calls.map(({ message }) => message)).toMatchObject([{ token: "token-a" }, { token: "token-c" }]);
  });

  test("a known caller joins a fresh load that waits for its turn", async () => {
    const turns = new FreshTurns<number>(new ManualClock());
    const standings: Standing[] = [];
    const begin = (_since: number, standing: Standing) => Promise.resolve(standings.push(standing));
    void turns.take("id", begin);
    const waiting = turns.take("id", begin);
    expect(turns.take("id", begin, "ana")).toBe(waiting);
    expect(await waiting).toBe(2);
    expect(standings.map(({ user }) => user)).toStrictEqual([undefined, "ana"]);
  });
});

describe("a standing", () => {
  test("moves up once, tells of it, and never moves down", () => {
    const standing = new Standing();
    let moves = 0;
    standing.onMoveUp = () => moves++;
    expect([standing.known, standing.user]).toStrictEqual([false, undefined]);
    standing.moveUp("ana");
    standing.moveUp("ben");
    expect([standing.known, standing.user, moves]).toEqual([true, "ana", 1]);
  });

  test("of a call that came without one is a stranger's", () => {
    expect([isKnown(undefined), standingOf(undefined).known]).toEqual([false, false]);
  });
});
