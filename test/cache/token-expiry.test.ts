import { describe, expect, jest, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { jwtOf, unsignedJwt } from "../support/unsigned-jwt.js";

const START = Date.UTC(2026, 0, 1);
const START_S = START / 1000;

async function verified(token: string) {
  const service = await startService({ users: { [token]: { id: "ana" } } });
  const clock = new ManualClock(START);
  const client = openClient(service, { clock });
  return { service, clock, client, first: await client.verifyToken(token) };
}

describe("A verified token is kept until its own exp,", () => {
  test.each([
    ["in whole seconds", START_S + 60, 60_000],
    ["in fractions of a second", START_S + 10.5, 10_500],
    ["though the service would still take it a millisecond later", START_S + 0.25, 250],
  ])("%s", async (_how, exp, endMs) => {
    const token = unsignedJwt({ sub: "ana", exp });
    const { service, clock, client, first } = await verified(token);
    expect(first.expiresAt).toBe(START + endMs);
    await clock.advance(endMs - 1);
    expect((await client.verifyToken(token)).source).toBe("process");
    await clock.advance(1);
    expect(client.peekToken(token)).toBeUndefined();
    expect((await client.verifyToken(token)).source).toBe("grpc");
    expect(service.calls.VerifyToken).toBe(2);
  });

  test("and not refreshed shortly before it: the service could only say the same", async () => {
    const token = unsignedJwt({ exp: START_S + 60 });
    const { service, clock, client } = await verified(token);
    await clock.advance(59_999);
    expect(client.peekToken(token)?.user.id).toBe("ana");
    expect([client.status().inFlight, service.calls.VerifyToken]).toEqual([0, 1]);
  });
});

test.each([
  ["now", START_S],
  ["in the past", START_S - 1],
  ["zero", 0],
  ["negative", -5],
  ["hugely negative", -1e308],
])("A token whose exp is %s is let in by the service alone, and never kept.", async (_when, exp) => {
  const token = unsignedJwt({ exp });
  const { service, client, first } = await verified(token);
  expect(first.user.id).toBe("ana");
  expect(client.peekToken(token)).toBeUndefined();
  await client.verifyToken(token);
  expect(service.calls.VerifyToken).toBe(2);
});

test("What was kept of a token goes when the service still takes it after its exp.", async () => {
  const token = unsignedJwt({ exp: START_S + 60 });
  const { clock, client } = await verified(token);
  expect(client.status().cache.entries).toBe(1);
  await clock.advance(60_000);
  await client.verifyToken(token);
  expect(client.status().cache.entries).toBe(0);
});

describe("An exp that limits nothing leaves the TTL alone:", () => {
  test.each([
    ["a huge one", unsignedJwt({ exp: 1e15 })],
    ["one whose milliseconds are no finite number any more", unsignedJwt({ exp: 1e308 })],
    ["one too large for a number", jwtOf('{"exp":1e999}')],
    ["NaN, which is no JSON", jwtOf('{"exp":NaN}')],
    ["a string", unsignedJwt({ exp: String(START_S + 60) })],
    ["null", unsignedJwt({ exp: null })],
    ["a list", unsignedJwt({ exp: [START_S + 60] })],
    ["a boolean", unsignedJwt({ exp: true })],
    ["none", unsignedJwt({ sub: "ana" })],
    ["a payload that is null", jwtOf("null")],
    ["a payload that is no JSON", jwtOf("garbage")],
    ["an empty payload", "a..c"],
    [
      "two parts",
      unsignedJwt({ exp: START_S + 60 })
        .split(".")
        .slice(0, 2)
        .join("."),
    ],
    ["four parts of no JWT", `v4.public.${unsignedJwt({ exp: START_S + 60 }).split(".")[1]}.d`],
    ["an opaque token", "opaque-token"],
  ])("%s", async (_what, token) => {
    const { clock, client, first } = await verified(token);
    expect(first.expiresAt === undefined || Number.isFinite(first.expiresAt)).toBe(true);
    await clock.advance(299_999);
    expect(client.peekToken(token)?.user.id).toBe("ana");
    await clock.advance(1);
  });

  test.each([
    ["opaque", "opaque-token"],
    ["with a string for an exp", unsignedJwt({ exp: "soon" })],
  ])("a token %s has no expiresAt at all", async (_what, token) => {
    expect((await verified(token)).first).not.toHaveProperty("expiresAt");
  });
});

test("The end of a token is told with every answer, from wherever it comes.", async () => {
  const token = unsignedJwt({ exp: START_S + 100 });
  const service = await startService({ users: { [token]: { id: "ana" } } });
  const clock = new ManualClock(START);
  const cache = { store: new MemoryStore(clock) };
  const [first, second] = [openClient(service, { clock, cache }), openClient(service, { clock, cache })];
  const answers = [
    await first.verifyToken(token),
    await first.verifyToken(token),
    await second.verifyToken(token),
    await second.verifyToken(token),
  ];
  expect(answers.map(({ source }) => source)).toEqual(["grpc", "process", "shared", "process"]);
  expect(answers.map(({ expiresAt }) => expiresAt)).toEqual(Array(4).fill(START + 100_000));
});

describe("In the shared cache", () => {
  test("an entry is kept no longer than its token lives.", async () => {
    const token = unsignedJwt({ exp: START_S + 20 });
    const service = await startService({ users: { [token]: { id: "ana" } } });
    const clock = new ManualClock(START);
    const store = new MemoryStore(clock);
    await openClient(service, { clock, cache: { store, staleIfErrorMs: 600_000 } }).verifyToken(token);
    const [key = ""] = store.keys("token");
    expect(store.ttlMs(key)).toBe(20_000);
  });

  test.each([START_S, START_S - 1])("nothing is written of a token that has ended (exp %d).", async (exp) => {
    const token = unsignedJwt({ exp });
    const service = await startService({ users: { [token]: { id: "ana" } } });
    const clock = new ManualClock(START);
    const store = new MemoryStore(clock);
    await openClient(service, { clock, cache: { store, staleIfErrorMs: 600_000 } }).verifyToken(token);
    await settle();
    expect(store.count("set")).toBe(0);
  });

  async function onStoreThatDoesNotForget() {
    const token = unsignedJwt({ exp: START_S + 20 });
    const service = await startService({ users: { [token]: { id: "ana" } } });
    const clock = new ManualClock(START);
    const texts = new Map<string, unknown>();
    const store = {
      get: async (key: string) => texts.get(key),
      set: async (key: string, value: string) => texts.set(key, value),
      delete: async (key: string) => texts.delete(key),
    };
    const open = (staleIfErrorMs = 0) => openClient(service, { clock, cache: { store, staleIfErrorMs } });
    await open().verifyToken(token);
    await settle();
    expect(texts.size).toBe(1);
    return { token, service, clock, open };
  }

  test("an entry that outlived its token is a miss, even if the store does not forget.", async () => {
    const { token, clock, open } = await onStoreThatDoesNotForget();
    await clock.advance(20_000);
    expect((await open().verifyToken(token)).source).toBe("grpc");
  });

  test("nor does it stand in during an outage then.", async () => {
    const { token, service, clock, open } = await onStoreThatDoesNotForget();
    service.grpc.fail();
    service.rest.fail();
    await clock.advance(20_000);
    await expect(open(600_000).verifyToken(token)).rejects.toMatchObject({ code: "auth_unavailable" });
  });
});

test("The end of a token is read while the shared store is asked, not before the question has left.", async () => {
  const token = unsignedJwt({ sub: "ana", exp: START_S + 60 });
  const [, payload] = token.split(".");
  const service = await startService({ users: { [token]: { id: "ana" } } });
  const clock = new ManualClock(START);
  const store = new MemoryStore(clock);
  await openClient(service, { clock, cache: { store } }).verifyToken(token);
  const order: string[] = [];
  // As the client of Redis writes: in the next phase of the loop, everything that was asked until then.
  store.before = () =>
    new Promise<void>((resolve) => {
      setImmediate(() => {
        order.push("the question leaves");
        setImmediate(() => {
          order.push("the answer comes");
          resolve();
        });
      });
    });
  const decode = Buffer.from as (...given: unknown[]) => Buffer;
  const decoded = jest.spyOn(Buffer, "from").mockImplementation(((...given: unknown[]) => {
    if (given[0] === payload) order.push("the end is read");
    return decode.apply(Buffer, given);
  }) as never);
  const asked = openClient(service, { clock, cache: { store } }).verifyToken(token);
  const { source, expiresAt } = await asked.finally(() => decoded.mockRestore());
  expect([source, expiresAt]).toEqual(["shared", START + 60_000]);
  expect([...new Set(order)]).toEqual(["the question leaves", "the end is read", "the answer comes"]);
});
