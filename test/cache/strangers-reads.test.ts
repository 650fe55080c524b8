import { describe, expect, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { hang, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const PROCESS_TTL_MS = 30_000;
const OPERATION_MS = 50;
/** A look is two reads, where the store reads one at a time. */
const MOST = 128;
const SECOND_MS = 1000;

/** A process that knows Ana: of its two entries about her the one in the shared cache still holds. */
async function open() {
  const strangers = Array.from({ length: 300 }, (_, index) => `stranger-${index}`);
  const service = await startService({
    users: Object.fromEntries(["token-ana", ...strangers].map((token) => [token, { id: token }])),
  });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const limit = { maxConcurrent: 1000 };
  const client = openClient(service, { clock, limit, cache: { store, processTtlMs: PROCESS_TTL_MS } });
  await client.verifyToken("token-ana");
  await settle();
  await clock.advance(PROCESS_TTL_MS);
  store.log.length = 0;
  let next = 0;
  const stranger = () => client.verifyToken(strangers[next++] as string);
  const crowd = (size: number) => Array.from({ length: size }, stranger);
  const isThere = () => client.status().cache.shared === "available";
  return { service, clock, store, client, stranger, crowd, isThere };
}

describe("Of strangers' looks into the shared cache", () => {
  test("so many are under way at once, and all others ask the service without one", async () => {
    const { service, store, crowd } = await open();
    const letGo = store.hold("get");
    const all = crowd(300);
    await until(() => service.calls.total === 1 + 300 - MOST / 2);
    expect(store.count("get")).toBe(MOST);
    letGo();
    store.before = () => undefined;
    expect((await Promise.all(all)).every(({ source }) => source === "grpc")).toBe(true);
  });

  test("the room is free again, whether they were answered, failed or took too long", async () => {
    const { clock, store, crowd } = await open();
    for (const before of [() => undefined, hang, () => Promise.reject(new Error("out of order"))]) {
      store.before = (operation) => operation === "get" && before();
      const all = crowd(40);
      await settle();
      await clock.advance(OPERATION_MS);
      await Promise.all(all);
      await clock.advance(2 * SECOND_MS); // a store that was given up is tried again
      store.before = () => undefined;
      await Promise.all(crowd(1));
    }
    store.log.length = 0;
    const letGo = store.hold("get");
    const all = crowd(100);
    await settle();
    expect(store.count("get")).toBe(MOST);
    letGo();
    await Promise.all(all);
  });

  test("none keeps a known user from looking", async () => {
    const { store, client, crowd } = await open();
    const letGo = store.hold("get");
    const all = crowd(100);
    await settle();
    const known = client.verifyToken("token-ana");
    await settle();
    expect(store.count("get")).toBe(MOST + 2);
    letGo();
    expect((await known).source).toBe("shared");
    await Promise.all(all);
  });

  test("a refusal without one is deleted there: an entry may lie there", async () => {
    const { service, store, client, crowd } = await open();
    const letGo = store.hold("get");
    const all = crowd(MOST / 2);
    await settle();
    await expect(client.verifyToken("garbage")).rejects.toMatchObject({ code: "invalid_token" });
    await until(() => store.count("delete") === 1);
    expect(service.calls.total).toBe(2);
    letGo();
    await Promise.all(all);
  });
});

describe("A stranger's slow look", () => {
  /** So many strangers, one after the other, whose looks take too long. */
  async function slowly(times: number, { clock, store, stranger }: Awaited<ReturnType<typeof open>>) {
    for (let time = 0; time < times; time++) {
      store.before = (operation) => operation === "get" && hang();
      const asked = stranger();
      await settle();
      await clock.advance(OPERATION_MS);
      await asked;
    }
  }

  test("says nothing about a store that something else has just come from", async () => {
    const made = await open();
    expect((await made.client.verifyToken("token-ana")).source).toBe("shared");
    await slowly(10, made);
    expect(made.isThere()).toBe(true);
  });

  test("counts when nothing else has come for a second", async () => {
    const made = await open();
    expect((await made.client.verifyToken("token-ana")).source).toBe("shared");
    await made.clock.advance(SECOND_MS);
    made.store.before = () => hang();
    const all = made.crowd(3);
    await settle();
    await made.clock.advance(OPERATION_MS);
    await Promise.all(all);
    expect(made.isThere()).toBe(false);
  });

  test("says nothing about a store that answered a ping within a second, and counts when the ping is older", async () => {
    const { clock, store, crowd, isThere } = await open();
    const slowCrowd = async () => {
      const all = crowd(3);
      await settle();
      await clock.advance(OPERATION_MS);
      await Promise.all(all);
    };
    await clock.advance(SECOND_MS);
    store.before = () => hang();
    store.pong();
    await slowCrowd();
    expect(isThere()).toBe(true);
    await clock.advance(SECOND_MS - OPERATION_MS);
    await slowCrowd();
    expect(isThere()).toBe(false);
  });

  test("that fails counts at once", async () => {
    const made = await open();
    expect((await made.client.verifyToken("token-ana")).source).toBe("shared");
    made.store.before = (operation) => operation === "get" && Promise.reject(new Error("out of order"));
    await Promise.all(made.crowd(2));
    expect(made.isThere()).toBe(false);
  });
});
