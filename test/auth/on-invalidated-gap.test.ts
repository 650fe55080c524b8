import { expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import { createKeyring, type Slot } from "../../src/cache/keyring.js";
import { authenticate, type InvalidationReason } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";
const NAMESPACE = "shop";
const [LOG_SLOT] = createKeyring({ identity: NAMESPACE, secrets: [SECRET] }).slots({ kind: "log", id: "" });
const LOG_KEY = (LOG_SLOT as Slot).key;
const ana = { userId: "ana", organizationId: "org-1" };

/** A process whose log is live, and a way to lose that. */
async function start(random = 0, staleIfErrorMs = 0) {
  const redis = await startRedisServer();
  afterwards(() => redis.kill());
  const admin = createClient({ url: redis.url });
  admin.on("error", () => undefined);
  await admin.connect();
  afterwards(() => admin.isOpen && admin.destroy());
  const service = await startService({ users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" } } });
  const clock = new ManualClock();
  const cache = { redisUrl: redis.url, secret: SECRET, namespace: NAMESPACE, staleIfErrorMs };
  const client = openClient(service, { clock, random: () => random, cache });
  await client.ready();
  await until(() => client.status().cache.log === "live");
  const nobody = { ...ana, userId: "nobody" };
  await client.invalidateUser(nobody);
  await until(() => client.status().cache.told === 1);
  const loseLog = async () => {
    await admin.sendCommand(["DEL", LOG_KEY]);
    await admin.sendCommand(["SET", LOG_KEY, "garbage"]);
    await client.invalidateUser(nobody);
    await until(() => client.status().cache.gaps > 0 && client.status().cache.log === "live");
  };
  const listen = async (token = "token-ana") => {
    const reasons: InvalidationReason[] = [];
    client.onInvalidated(await client.verifyToken(token), (reason) => reasons.push(reason));
    return reasons;
  };
  return { service, clock, client, loseLog, listen };
}

describeWithRedis("A gap in the log", () => {
  test("is told to each connection once, also to one that listens with an answer from before", async () => {
    const { clock, client, loseLog, listen } = await start();
    const before = await client.verifyToken("token-ana");
    const reasons = await listen();
    await loseLog();
    await clock.advance(0);
    expect(reasons).toEqual(["gap"]);
    const late: InvalidationReason[] = [];
    client.onInvalidated(before, (reason) => late.push(reason));
    expect(late).toEqual([]);
    await clock.advance(0);
    expect(late).toEqual(["gap"]);
    const again = await listen();
    await clock.advance(10_000);
    expect([reasons, late, again]).toEqual([["gap"], ["gap"], []]);
  });

  test("has a request looked at anew that an earlier middleware let in", async () => {
    const { client, loseLog } = await start();
    const upgrade = { headers: { authorization: "Bearer token-ana" } };
    const look = async () => (await authenticate(upgrade, { client, attach: true })).source;
    expect([await look(), await look()]).toEqual(["grpc", "grpc"]); // attached: the process cache would say "process"
    await loseLog();
    expect(await look()).toBe("shared");
  });

  test("says nothing against an answer of the shared cache from after it, while the service is unavailable", async () => {
    const { service, clock, client, loseLog, listen } = await start(0, 600_000);
    await client.verifyToken("token-ana");
    await settle();
    await clock.advance(300_000);
    await loseLog();
    service.grpc.fail();
    service.rest.fail();
    expect((await client.verifyToken("token-ana")).source).toBe("stale");
    const reasons = await listen();
    await clock.advance(3000);
    expect(reasons).toEqual([]);
  });

  test("is told to connections one after the other, and an invalidation at once all the same", async () => {
    const { clock, client, loseLog, listen } = await start(0.5);
    const [first, ben] = [await listen(), await listen("token-ben")];
    await loseLog();
    await clock.advance(1499);
    expect([first, ben]).toEqual([[], []]);
    await client.invalidateUser(ana);
    expect([first, ben]).toEqual([["invalidated"], []]);
    await clock.advance(1);
    expect([first, ben]).toEqual([["invalidated"], ["gap"]]);
  });
});
