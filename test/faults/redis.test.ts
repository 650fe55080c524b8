import { expect, jest, test } from "@jest/globals";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { connectAdmin } from "../support/redis-admin.js";
import { describeWithRedis, type RedisServer, startRedisServer } from "../support/redis-server.js";
import { type Answer, type Caller, openCaller, somebodyNew } from "./caller.js";
import { meetSomebody, wave } from "./endure.js";
import { expectServedBy } from "./expectations.js";
import { record } from "./ledger.js";
import { noLongerWell } from "./no-longer-well.js";
import { opened } from "./opened.js";
import { everybody, tokenOf } from "./people.js";

jest.setTimeout(30_000);

/** Two processes' worth of callers, before one Redis and one auth service. */
interface Scene {
  readonly redis: RedisServer;
  readonly service: FakeAuthService;
  readonly first: Caller;
  readonly second: Caller;
}

interface SceneOptions {
  /** What Redis asks for, and what the callers give. */
  password?: string;
  given?: string;
  secret?: string;
}

async function startScene({ password, given = password, secret }: SceneOptions = {}): Promise<Scene> {
  const redis = await startRedisServer({ ...(password !== undefined && { password }) });
  opened({ close: () => redis.kill() });
  const service = opened(await startAuthService({ users: everybody() }));
  const url = new URL(redis.url);
  if (given !== undefined) url.password = given;
  const options = { ...service.upstreams, cache: { redisUrl: url.href, ...(secret !== undefined && { secret }) } };
  const [first, second] = [opened(await openCaller(options)), opened(await openCaller(options))];
  return { redis, service, first, second };
}

/** Whether what one process was told is known to the other. */
async function share({ first, second }: Scene): Promise<boolean> {
  const person = somebodyNew();
  await first.ask(person);
  return (await second.ask(person)).source === "shared";
}

interface Ordeal {
  strike(scene: Scene): unknown;
  heal?(scene: Scene): unknown;
}

/** Lets a fault come and go. What callers got while it lasted, each of them at both processes. */
async function endure(scene: Scene, fault: string, { strike, heal }: Ordeal): Promise<Answer[]> {
  const { first, second, service } = scene;
  const [known, other] = [await meetSomebody(first, "grpc"), await meetSomebody(second, "grpc")];
  await strike(scene);
  await noLongerWell();
  service.resetCalls();
  const during: Answer[] = [];
  for (let round = 0; round < 3; round++) during.push(...(await wave(first, known)), ...(await wave(second, other)));
  expect(service.calls.total).toBe(during.filter(({ source }) => source !== "process").length);
  await heal?.(scene);
  const start = performance.now();
  await eventually(() => share(scene), "entries are shared again");
  record("Redis", fault, during, { on: "the shared cache", ms: performance.now() - start });
  return during;
}

const linesAboutCache = ({ logLines }: Caller) =>
  logLines.filter((line) => /shared cache .*(cannot be reached|is back)/.test(line));

/** Entries may be shared, by a write, a moment before a look finds that the cache is there again: requests go on until one has. */
async function goneAndBack(caller: Caller): Promise<void> {
  const saysSo = async () => {
    await caller.ask(somebodyNew());
    return linesAboutCache(caller).length > 1;
  };
  await eventually(saysSo, "it says that the cache is back");
  expect(linesAboutCache(caller)).toEqual([
    expect.stringContaining("cannot be reached"),
    expect.stringContaining("is back"),
  ]);
}

describeWithRedis("A shared cache on a Redis that is", () => {
  const FAULTS: readonly [name: string, ordeal: Ordeal][] = [
    ["killed, then started again", { strike: ({ redis }) => redis.kill(), heal: ({ redis }) => redis.start() }],
    ["paused, then resumed", { strike: ({ redis }) => redis.pause(), heal: ({ redis }) => redis.resume() }],
  ];

  test.each(FAULTS)("%s: the service answers, one line says so, and entries are shared again", async (name, ordeal) => {
    const scene = await startScene();
    await eventually(() => share(scene), "entries are shared before the fault");
    expectServedBy("grpc", await endure(scene, name, ordeal));
    await goneAndBack(scene.first);
  });

  test("restarted empty: the service answers for whom it knew, and entries are shared again", async () => {
    const scene = await startScene();
    await eventually(() => share(scene), "entries are shared before the fault");
    const forgotten = somebodyNew();
    await scene.first.ask(forgotten);
    const strike = async ({ redis }: Scene) => {
      await redis.kill();
      await redis.start();
    };
    const during = await endure(scene, "restarted empty", { strike });
    // The log is empty, too: what the process holds is looked up once more, and asked of the service.
    const lookedUp = ({ token, source }: Answer) => token === "known" && source === "grpc";
    expectServedBy(
      "grpc",
      during.filter((answer) => !lookedUp(answer)),
    );
    expect((await scene.second.ask(forgotten)).source).toBe("grpc");
  });

  test("protected by another password: the service answers, one line says so, and entries are shared once it is right", async () => {
    const [password, given] = ["right", "wrong"];
    const scene = await startScene({ password, given });
    const admin = opened(await connectAdmin(scene.redis.url));
    const ordeal = { strike: () => undefined, heal: () => admin.command("CONFIG", "SET", "requirepass", given) };
    expectServedBy("grpc", await endure(scene, "a wrong password", ordeal));
    await goneAndBack(scene.first);
  });

  test("not there from the start: the service answers, one line says so, and entries are shared once it is", async () => {
    const scene = await startScene();
    await scene.redis.kill();
    const late = {
      ...scene,
      first: opened(await openCaller(optionsOf(scene))),
      second: opened(await openCaller(optionsOf(scene))),
    };
    await Promise.all([late.first.client.ready(), late.second.client.ready()]); // it has been tried once, however late
    const ordeal = { strike: () => undefined, heal: () => scene.redis.start() };
    expectServedBy("grpc", await endure(late, "not there from the start", ordeal));
    await goneAndBack(late.first);
  });

  test("at its maxmemory: the service answers, and entries are shared again", async () => {
    const scene = await startScene();
    const { limit } = await startFull(scene);
    await limit("0");
    const ordeal = { strike: () => limit("1"), heal: () => limit("0") };
    expectServedBy("grpc", await endure(scene, "at its maxmemory", ordeal));
  });

  test("at its maxmemory still answers: what is there is used, tokens are forgotten, though not by the log, and it is not called unreachable", async () => {
    const scene = await startScene();
    const { people } = await startFull(scene);
    for (const person of people) {
      await Promise.all(Array.from({ length: 6 }, () => scene.second.ask())); // none of which can be written
      expect((await scene.second.ask(person)).source).toBe("shared");
      await expect(scene.second.client.invalidateToken(tokenOf(person))).rejects.toMatchObject({
        code: "auth_unavailable",
      });
      expect((await scene.second.ask(person)).source).toBe("grpc");
    }
    expect(linesAboutCache(scene.second)).toEqual([]);
  });

  /** Fills Redis, when it knows a few people already. */
  async function startFull(scene: Scene) {
    await eventually(() => share(scene), "entries are shared before the fault");
    const admin = opened(await connectAdmin(scene.redis.url));
    const limit = (bytes: string) => admin.command("CONFIG", "SET", "maxmemory", bytes);
    const size = (await admin.keys()).length;
    const people = [somebodyNew(), somebodyNew(), somebodyNew()];
    for (const person of people) await scene.first.ask(person);
    await eventually(async () => (await admin.keys()).length === size + people.length, "entries are written");
    await limit("1");
    return { people, limit };
  }
});

/** What somebody, or something, may leave in the place of an entry. */
const GARBAGE: Readonly<Record<string, (key: string, entry: string) => string[]>> = {
  text: (key) => ["SET", key, "garbage"],
  nothing: (key) => ["SET", key, ""],
  bytes: (key) => ["SET", key, "\u0000\u0001\ufffd"],
  "half of it": (key, entry) => ["SET", key, entry.slice(0, entry.length / 2)],
  null: (key) => ["SET", key, "null"],
  "a number": (key) => ["SET", key, "42"],
  "another shape": (key) => ["SET", key, '{"value":{"user":{"id":"user-0"}}}'],
  "another shape within": (key) => ["SET", key, '{"value":"{\\"askedAt\\":1}"}'],
  "a long text": (key) => ["SET", key, "x".repeat(1_000_000)],
  "a list": (key) => ["EVAL", "redis.call('DEL', KEYS[1]); return redis.call('RPUSH', KEYS[1], 'garbage')", "1", key],
};

describeWithRedis("Entries of a shared cache that are overwritten with garbage", () => {
  test.each([
    ["without a secret", {}],
    ["with a secret", { secret: "a secret of these tests, long enough" }],
  ])("%s are misses, one by one, and are written anew", async (name, options) => {
    const scene = await startScene(options);
    const admin = opened(await connectAdmin(scene.redis.url));
    await eventually(() => share(scene), "entries are shared before the fault");
    await admin.command("FLUSHALL");
    const kinds = Object.values(GARBAGE);
    const people = kinds.map(() => somebodyNew());
    for (const person of people) await scene.first.ask(person);
    await eventually(async () => (await admin.keys()).length === kinds.length, "entries are written");
    const keys = await admin.keys();
    for (const [index, key] of keys.entries()) await admin.command(...kinds[index]!(key, await admin.entry(key)));
    const entries = () => Promise.all(keys.map(admin.entry));
    const garbage = await entries();

    const during: Answer[] = [];
    for (const person of people) during.push(await scene.second.ask(person));
    record("Redis", `entries overwritten with garbage, ${name}`, during);
    expect(new Set(during.map(({ source }) => source))).toEqual(new Set(["grpc"]));
    expect(scene.service.grpc.calls.VerifyToken).toBeGreaterThanOrEqual(2 * people.length);
    expect(linesAboutCache(scene.second)).toEqual([]);

    await eventually(async () => (await entries()).every((entry, i) => entry !== garbage[i]), "they are written anew");
    const third = opened(await openCaller(optionsOf(scene, options)));
    await third.client.ready(); // what is asked before the log begins is kept nowhere
    await eventually(() => third.client.status().cache.shared === "available", "a third process is connected");
    const sources = new Set<string | undefined>();
    for (const person of people) sources.add((await third.ask(person)).source);
    expect(sources).toEqual(new Set(["shared"]));
  });
});

function optionsOf({ redis, service }: Scene, cache: { secret?: string } = {}) {
  return { ...service.upstreams, cache: { redisUrl: redis.url, ...cache } };
}
