import { once } from "node:events";
import { connect } from "node:net";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards, openBareClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { redisAvailable, startRedisServer } from "../support/redis-server.js";
import { logOf, type Mistake } from "./mistake.js";

/** What a client logs whose shared cache is this Redis. */
async function logWith(redisUrl: string, tokens = ["token-ana", "token-ana", "token-ana", "token-ana", "token-ana"]) {
  const { upstreams } = await startService({ users: { "token-ana": { id: "ana" } } });
  return logOf({ ...upstreams, cache: { redisUrl, ttlMs: 0 } }, tokens);
}

/** The URL of something that answers every command of Redis so. */
async function answering(answer: string): Promise<string> {
  const redis = await startFakeRedis((_words, socket) => void socket.write(`${answer}\r\n`));
  afterwards(() => redis.close());
  return redis.url;
}

/** Of Redis: one line, and requests go on without it. */
export const sharedCacheRows: readonly Mistake[] = [
  {
    is: "a Redis at another port",
    make: () => logWith("redis://127.0.0.1:1"),
    says: [
      "the shared cache redis://127.0.0.1:1 cannot be reached (ECONNREFUSED): going on without it",
      "nothing listens there: are host and port right? Redis' own is 6379",
    ],
  },
  {
    is: "a cluster behind redis://",
    make: async () => logWith(await answering("-MOVED 1 127.0.0.1:7001")),
    says: ["this is a cluster"],
  },
];

/** What a client logs whose user of a real Redis may not write, when it has tried five times. */
async function logWithoutRights(): Promise<string> {
  const redis = await startRedisServer();
  afterwards(() => redis.kill());
  const { port } = new URL(redis.url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.write("ACL SETUSER portero on >hunter2 ~portero:* -@all +mget +unlink\r\n");
  await once(socket, "data");
  socket.destroy();
  const { upstreams } = await startService();
  const [clock, logger] = [new ManualClock(), new RecordingLogger()];
  const cache = { redisUrl: redis.url.replace("//", "//portero:hunter2@") };
  const client = openBareClient({ ...upstreams, clock, logger, cache });
  await client.ready();
  for (let time = 0; time < 5; time++) {
    await client.invalidateUser({ userId: "bea", organizationId: "org-1" }).catch(() => undefined);
    await clock.advance(1000);
  }
  return logger.lines.join("\n");
}

/** The same with a real one. */
export const realRedisRows: readonly Mistake[] = redisAvailable
  ? [
      {
        is: "a Redis that wants a password",
        make: async () => {
          const redis = await startRedisServer({ password: "hunter2" });
          afterwards(() => redis.kill());
          return logWith(redis.url.replace(":hunter2@", ""));
        },
        says: [
          "(NOAUTH)",
          "it wants a password: write redis://:…@host:port, or redis://user:…@host:port where it has ACL users",
        ],
      },
      {
        is: "a Redis whose user may not write",
        make: logWithoutRights,
        says: ["takes no writes (NOPERM)", "its user may not do this: README has the ACL that is needed"],
      },
      {
        is: "another password of Redis",
        make: async () => {
          const redis = await startRedisServer({ password: "hunter2" });
          afterwards(() => redis.kill());
          return logWith(redis.url.replace("hunter2", "hunter3"));
        },
        says: ["(WRONGPASS)", "user or password are wrong"],
      },
    ]
  : [];
