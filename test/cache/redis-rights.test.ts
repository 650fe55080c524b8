import { expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";

/** For the log of invalidations. */
const OF_THE_LOG = "+xadd +xread +xrange +xrevrange +pexpire";
/** As README has it. */
const ACL = `on >hunter2 resetkeys resetchannels -@all ~portero:* +mget +set +unlink ${OF_THE_LOG}`;
const SECRET = "a secret of the whole fleet, at least 32 bytes";
const ana = { userId: "ana", organizationId: "org-1" };

async function startRestricted(rights: string) {
  const redis = await startRedisServer();
  afterwards(() => redis.kill());
  const admin = createClient({ url: redis.url });
  await admin.connect();
  afterwards(() => admin.destroy());
  await admin.sendCommand(["ACL", "SETUSER", "portero", ...rights.split(" ")]);
  const service = await startService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
  const open = (path = "") => {
    const logger = new RecordingLogger();
    const clock = new ManualClock();
    const redisUrl = `${redis.url.replace("//", "//portero:hunter2@")}${path}`;
    return { logger, clock, client: openClient(service, { logger, clock, cache: { redisUrl, secret: SECRET } }) };
  };
  return { admin, open };
}

describeWithRedis("A user of Redis with the rights that README names", () => {
  test.each([
    ["", ACL],
    ["/2", `${ACL} +select`],
  ])("can do all that is needed: at redis://…%s", async (path, rights) => {
    const { admin, open } = await startRestricted(rights);
    const [first, second] = [open(path), open(path)];
    await Promise.all([first.client.ready(), second.client.ready()]);
    await first.client.verifyToken("token-ana");
    await first.client.getUserLocals(ana);
    await first.client.invalidateUser({ ...ana, userId: "ben" });
    expect((await second.client.verifyToken("token-ana")).source).toBe("shared");
    await second.client.invalidateToken("token-ana");
    await Promise.all([first.client.close(), second.client.close()]);
    expect(await admin.sendCommand(["ACL", "LOG"])).toEqual([]); // nothing was tried that is not allowed
    expect([...first.logger.lines, ...second.logger.lines]).toEqual([]);
  });

  test("who may not write is told so in one line, with the code, and in another when he may", async () => {
    const { admin, open } = await startRestricted(`on >hunter2 ~portero:* -@all +mget +unlink ${OF_THE_LOG}`);
    const { client, clock, logger } = open();
    await client.ready();
    const writes = () => client.status().cache.sharedWrites;
    for (let n = 0; n < 3; n++) await expect(client.invalidateUser(ana)).rejects.toThrow();
    expect([writes(), logger.lines]).toEqual(["ok", []]); // it may be a mishap
    await clock.advance(1000);
    await expect(client.invalidateUser(ana)).rejects.toThrow();
    expect([writes(), client.status().cache.shared]).toEqual(["failing", "available"]);
    await clock.advance(1000);
    await expect(client.invalidateUser(ana)).rejects.toThrow();
    expect(logger.lines).toEqual([
      expect.stringMatching(/^warn portero: the shared cache .* takes no writes \(NOPERM\)/),
    ]);
    await admin.sendCommand(["ACL", "SETUSER", "portero", "+set"]);
    await clock.advance(1000);
    await client.invalidateUser(ana);
    expect(writes()).toBe("ok");
    expect(logger.lines.slice(1)).toEqual([expect.stringMatching(/^info .* takes writes again$/)]);
  });

  test("who may not delete is told so as well", async () => {
    const { open } = await startRestricted(`on >hunter2 ~portero:* -@all +mget +set ${OF_THE_LOG}`);
    const { client, logger } = open();
    await client.ready();
    for (let n = 0; n < 4; n++) {
      await client.verifyToken("token-ana"); // can be read: it is not called unreachable
      await expect(client.invalidateToken("token-ana")).rejects.toThrow();
    }
    expect(client.status().cache).toMatchObject({ shared: "available", sharedWrites: "failing" });
    expect(logger.lines).toEqual([expect.stringMatching(/takes no writes \(NOPERM\)/)]);
  });

  test.each([
    ["none of them", ""],
    ["all but one to read", "+xadd +xrange +xrevrange +pexpire"],
    ["all but the one to write", "+xread +xrange +xrevrange +pexpire"],
  ])("without those of the log everything is as without a log, and one line says so: %s", async (_which, rights) => {
    const { admin, open } = await startRestricted(`on >hunter2 ~portero:* -@all +mget +set +unlink ${rights}`);
    const [first, second] = [open(), open()];
    await Promise.all([first.client.ready(), second.client.ready()]);
    for (const { client } of [first, second]) await client.verifyToken("token-ana");
    for (let n = 0; n < 2; n++) await first.client.invalidateUser(ana);
    await first.client.invalidateToken("token-ana");
    expect([first, second].map(({ client }) => client.peekToken("token-ana") !== undefined)).toEqual([false, true]);
    expect(first.client.status().cache).toMatchObject({
      ...{ shared: "available", sharedWrites: "ok", log: "none", told: 0, outbox: 0 },
    });
    const said = (first.logger.lines as string[]).filter((line) => line.includes("log of invalidations"));
    expect(said).toEqual([expect.stringMatching(/^warn portero: there is no log .* rights \(NOPERM\): \+xadd/)]);
    expect(first.logger.lines).toEqual(said);
    const existing = await admin.sendCommand(["KEYS", "portero:1:log:*"]);
    expect(existing).toEqual([]);
  });

  test("a process that hears from Redis sends no ping", async () => {
    const { admin, open } = await startRestricted(ACL);
    const { client } = open();
    await client.ready();
    for (let n = 0; n < 100; n++) await client.verifyToken("garbage").catch(() => undefined);
    const stats = String(await admin.sendCommand(["INFO", "commandstats"]));
    expect(stats).toContain("cmdstat_unlink:calls=1,"); // by which the connection proved itself
    expect(stats).not.toContain("cmdstat_ping");
  });
});
