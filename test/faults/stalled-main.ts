// A process on a shared cache that can do nothing for a while, with invalidations of its own under way. Says in one line what became of them.
import { setTimeout as sleep } from "node:timers/promises";
import { createAuthClient } from "../../src/client.js";
import { tokenOf } from "./people.js";

const [grpcUrl = "", redisUrl = "", namespace = "", ...rest] = process.argv.slice(2);
const [first = 0, count = 0, stallMs = 0] = rest.map(Number);
const client = createAuthClient({
  grpc: { url: grpcUrl, timeoutMs: 10_000, hedgeMs: 0 },
  cache: { redisUrl, namespace },
  logger: false,
});
await client.ready();
while (client.status().cache.log !== "live") await sleep(10);
const told: Promise<boolean>[] = [];
const tell = (person: number) => {
  const telling = client.invalidateToken(tokenOf(person));
  told.push(
    telling.then(
      () => true,
      () => false,
    ),
  );
};
for (let person = first; person < first + count; person++) tell(person);
await sleep(0); // they have left
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs);
for (let person = first + count; person < first + 2 * count; person++) tell(person);
const failed = (await Promise.all(told)).filter((isTold) => !isTold).length;
process.stdout.write(`${JSON.stringify({ failed, gaps: client.status().cache.gaps })}\n`);
process.exit();
