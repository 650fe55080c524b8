import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { createKeyring } from "../../src/cache/keyring.js";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { connectAdmin, type RedisAdmin } from "../support/redis-admin.js";
import { describeWithRedis, type RedisServer, startRedisServer } from "../support/redis-server.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { type Caller, openCaller, somebodyNew } from "./caller.js";
import { meetSomebody, wave } from "./endure.js";
import { expectServedBy } from "./expectations.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody, tokenOf } from "./people.js";

jest.setTimeout(30_000);

/** For a question to the auth service, in milliseconds: it is well. */
const PATIENT_MS = 5000;
const CUT_OFF_MS = 3000;
const STALL_MS = 1500;

const holds = ({ client }: Caller, person: number) => client.peekToken(tokenOf(person)) !== undefined;

describeWithRedis("The log of invalidations on one Redis", () => {
  let redis: RedisServer;
  let admin: RedisAdmin;
  let service: FakeAuthService;
  let scenes = 0;

  beforeAll(async () => {
    redis = await startRedisServer();
    admin = await connectAdmin(redis.url);
    service = await startAuthService({ users: everybody() });
  });
  afterAll(async () => {
    admin?.close();
    await Promise.all([redis?.kill(), service?.close()]);
  });

  /** Two processes on a log of their own; the network between the second one and Redis is in the hands of the test. */
  async function startScene() {
    const network = opened(await startTcpProxy(redis.port, "redis"));
    const namespace = `fleet-${scenes++}`;
    const grpc = { ...service.upstreams.grpc, timeoutMs: PATIENT_MS };
    const open = async (redisUrl: string) => opened(await openCaller({ grpc, cache: { redisUrl, namespace } }));
    const [first, second] = [await open(redis.url), await open(network.url)];
    await eventually(
      () => [first, second].every(({ client }) => client.status().cache.log === "live"),
      "both follow the log",
    );
    const logKey = createKeyring({ identity: namespace, secrets: [] }).slots({ kind: "log", id: "" })[0]?.key as string;
    return { network, namespace, first, second, logKey };
  }

  /** So many whom the process holds. */
  async function held(caller: Caller, count: number): Promise<number[]> {
    const people = Array.from({ length: count }, somebodyNew);
    for (const person of people) await caller.ask(person);
    await eventually(() => people.every((person) => holds(caller, person)), "the process holds them");
    return people;
  }

  test("reaches a process that was cut off for 3 s: it hears all that was told, and nothing else is looked up again", async () => {
    const { network, first, second } = await startScene();
    const known = await meetSomebody(second, "grpc");
    const people = await held(second, 20);
    network.strike({ kind: "black hole" });
    network.cut();
    for (const person of people) await first.client.invalidateToken(tokenOf(person));
    const during = await wave(second, known);
    await sleep(CUT_OFF_MS);
    expect(people.every((person) => holds(second, person))).toBe(true);
    network.heal();
    const start = performance.now();
    await eventually(() => people.every((person) => !holds(second, person)), "it has heard all");
    record("Redis", "a process cut off from the log for 3 s, while another one tells of 20 tokens", during, {
      on: "all of them forgotten",
      ms: performance.now() - start,
    });
    expectServedBy("grpc", during);
    expect(second.client.status().cache).toMatchObject({ heard: 20, gaps: 0 });
    expect(holds(second, known)).toBe(true);
  });

  test("reaches both sides of a partition when it is over: what a process could not tell is told then", async () => {
    const { network, first, second } = await startScene();
    const known = await meetSomebody(second, "grpc");
    const [away, back] = (await held(second, 2)) as [number, number];
    await held(first, 1);
    await first.ask(back);
    network.strike({ kind: "black hole" });
    await first.client.invalidateToken(tokenOf(away));
    await expect(second.client.invalidateToken(tokenOf(back))).rejects.toMatchObject({ code: "auth_unavailable" });
    expect([holds(second, away), holds(second, back), holds(first, back)]).toEqual([true, false, true]);
    const during = await wave(second, known);
    network.heal(); // connections that were lost stay so
    const start = performance.now();
    await eventually(() => !holds(second, away) && !holds(first, back), "both have heard of the other");
    record("Redis", "a partition between one process and Redis, tokens invalidated on both sides", during, {
      on: "forgotten on both",
      ms: performance.now() - start,
    });
    expectServedBy("grpc", during);
    await eventually(() => second.client.status().cache.log === "live", "it follows the log again");
    expect(second.client.status().cache.outbox).toBe(0);
  });

  const SPOILS: readonly [name: string, isGap: boolean, spoil: (key: string) => Promise<unknown>][] = [
    ["trimmed", true, (key) => admin.command("XTRIM", key, "MAXLEN", "0")],
    ["deleted", true, (key) => admin.command("UNLINK", key)],
    ["of the wrong type", true, (key) => admin.command("SET", key, "garbage")],
    ["at its last id", true, (key) => admin.command("XADD", key, `${2n ** 64n - 1n}-${2n ** 64n - 1n}`, "e", "x")],
    [
      "forged",
      false,
      (key) => admin.command("XADD", key, "*", "e", '{"v":1,"kind":"user","subject":3,"at":1,"by":"x"}'),
    ],
  ];

  test("is trimmed, deleted, forged, or something else lies there: what is told next is heard, and what was lost is noticed", async () => {
    await Promise.all(
      SPOILS.map(async ([name, isGap, spoil]) => {
        const { first, second, logKey } = await startScene();
        const known = await meetSomebody(second, "grpc");
        const [person] = (await held(second, 1)) as [number];
        await spoil(logKey);
        const during = await wave(second, known);
        const tells = () => first.client.invalidateToken(tokenOf(person)).catch(() => undefined);
        const start = performance.now();
        await tells();
        await eventually(() => !holds(second, person), `what is told is heard: ${name}`);
        record("Redis", `the log of invalidations ${name}`, during, {
          on: "an invalidation heard",
          ms: performance.now() - start,
        });
        expect(new Set(during.map(({ status }) => status))).toEqual(new Set([200, 401]));
        if (isGap) await eventually(() => second.client.status().cache.gaps > 0, `the gap is noticed: ${name}`);
        else expect([second.client.status().cache.gaps, holds(second, known)]).toEqual([0, true]);
      }),
    );
  });

  test("is told by a process that could do nothing for 1.5 s: none of its own invalidations fails", async () => {
    const { namespace, first } = await startScene();
    const known = await meetSomebody(first, "grpc");
    const people = await held(first, 20);
    const told = runStalled(
      [service.grpc.url, redis.url, namespace, people[0], people.length / 2, STALL_MS].map(String),
    );
    const during = await wave(first, known);
    expect(await told).toEqual({ failed: 0, gaps: 0 });
    const start = performance.now();
    await eventually(() => people.every((person) => !holds(first, person)), "the other one hears of all");
    record("Redis", "a process that can do nothing for 1.5 s, with 10 invalidations under way", during, {
      on: "all told",
      ms: performance.now() - start,
    });
    expectServedBy("grpc", during);
  });

  test("is not there for users without rights: processes forget by themselves, as without a log", async () => {
    await admin.command(...["ACL", "SETUSER", "few", "on", ">few", "~portero:*", "-@all", "+mget", "+set", "+unlink"]);
    const redisUrl = redis.url.replace("//", "//few:few@");
    const cache = { redisUrl, namespace: "few", processTtlMs: 400 };
    const grpc = { ...service.upstreams.grpc, timeoutMs: PATIENT_MS };
    const [first, second] = [opened(await openCaller({ grpc, cache })), opened(await openCaller({ grpc, cache }))];
    await eventually(() => second.client.status().cache.log === "none", "it says that there is none");
    const person = somebodyNew();
    const during = [await first.ask(person), await second.ask(person)];
    await first.client.invalidateToken(tokenOf(person));
    const start = performance.now();
    await eventually(() => !holds(second, person), "it has forgotten");
    record("Redis", "a user of Redis without rights for the log, `processTtlMs` 400 ms", during, {
      on: "forgotten elsewhere",
      ms: performance.now() - start,
    });
    expect((await second.ask(person)).source).toBe("grpc");
    expect(second.client.status().cache).toMatchObject({ shared: "available", heard: 0, told: 0 });
  });
});

/** What a process says of itself that stalls. */
async function runStalled(words: readonly string[]): Promise<unknown> {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", join(folder, "stalled-main.ts"), ...words], {
    cwd: join(folder, "..", ".."),
    stdio: ["ignore", "pipe", "inherit"],
  });
  opened({ close: () => child.kill("SIGKILL") });
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line)));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`it ended with ${code} before it said anything`)));
  });
}
