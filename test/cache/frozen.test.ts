import { describe, expect, test } from "@jest/globals";
import type { AuthClient } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const permissions = Array.from({ length: 30 }, (_, n) => `things-${n}:write`);
const directory = {
  users: {
    "token-ana": { id: "ana", permissions, locals: ["madrid", "sevilla"] },
    "token-ben": { id: "ben", permissions, locals: ["madrid"] },
    "token-eve": { id: "eve" },
  },
  organizations: { "org-1": { modules: ["stock"] } },
};

/** The paths in a value where something can still be changed. */
function soft(value: unknown, path = "answer"): string[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.entries(value).flatMap(([key, part]) => soft(part, `${path}.${key}`));
  return Object.isFrozen(value) ? inside : [path, ...inside];
}

describe("Everything that a client returns is deeply frozen:", () => {
  test("a verified token, from wherever it comes", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock), staleIfErrorMs: 60_000 };
    const [first, second] = [openClient(service, { clock, cache }), openClient(service, { clock, cache })];
    const answers = [
      await first.verifyToken("token-ana"),
      await first.verifyToken("token-ana"),
      await second.verifyToken("token-ana"),
      await second.verifyToken("token-ana"),
    ];
    service.grpc.fail();
    answers.push(await first.verifyToken("token-ana", { fresh: true }));
    await settle();
    service.rest.fail();
    await clock.advance(300_000);
    answers.push(await first.verifyToken("token-ana"));
    expect(answers.map(({ source }) => source)).toEqual(["grpc", "process", "shared", "process", "rest", "stale"]);
    expect(answers.map((answer) => soft(answer))).toEqual(answers.map(() => []));
  });

  test.each([
    ["locals", (client: AuthClient) => client.getUserLocals(anaRef)],
    ["permissions", (client: AuthClient) => client.getUserPermissions(anaRef)],
    ["an organization", (client: AuthClient) => client.getOrganization("org-1")],
  ])("%s, from the service, the process and the shared cache", async (_what, ask) => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock) };
    const [first, second] = [openClient(service, { clock, cache }), openClient(service, { clock, cache })];
    const answers = [await ask(first), await ask(first), await ask(second)];
    expect(answers.map((answer) => soft(answer))).toEqual([[], [], []]);
    expect(answers[2]).toEqual(answers[0]);
    expect(service.calls.total).toBe(1);
  });
});

describe("What is the same is kept once:", () => {
  test("users with the same permissions share one list", async () => {
    const client = openClient(await startService(directory));
    const [ana, ben] = [await client.verifyToken("token-ana"), await client.verifyToken("token-ben")];
    expect(ana.user.permissions).toEqual(permissions);
    expect(ben.user.permissions).toBe(ana.user.permissions);
    expect(await client.getUserPermissions(anaRef)).toBe(ana.user.permissions);
  });

  test("also when they come from the shared cache", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock) };
    await openClient(service, { clock, cache }).verifyToken("token-ana");
    const second = openClient(service, { clock, cache });
    const [ana, ben] = [await second.verifyToken("token-ana"), await second.verifyToken("token-ben")];
    expect([ana.source, ben.source]).toEqual(["shared", "grpc"]);
    expect(ben.user.permissions).toBe(ana.user.permissions);
  });

  test("empty lists are one list", async () => {
    const client = openClient(await startService(directory));
    const { user, locals } = await client.verifyToken("token-eve");
    expect(locals).toBe(user.permissions);
  });

  test("hits hand out the same object: nothing is made per request", async () => {
    const client = openClient(await startService(directory));
    await client.verifyToken("token-ana");
    expect(await client.verifyToken("token-ana")).toBe(client.peekToken("token-ana"));
  });
});

test("An answer cannot be changed by one request for another.", async () => {
  const client = openClient(await startService(directory));
  const { user } = await client.verifyToken("token-ana");
  expect(() => (user.permissions as string[]).push("admin")).toThrow(TypeError);
  expect(() => Object.assign(user, { id: "eve" })).toThrow(TypeError);
  expect((await client.verifyToken("token-ana")).user).toMatchObject({ id: "ana", permissions });
});
