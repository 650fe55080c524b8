// Reads from Redis all the time, as other applications on it do.
import { createClient } from "@keyv/redis";
import { expose } from "../kit/process.js";

export type RedisLoadProcess = Awaited<ReturnType<typeof methodsOf>>;

const KEYS_TO_TRY = 1000;

await expose<{ urls: readonly string[] }, RedisLoadProcess>(methodsOf);

/** @param urls of the masters, which are read from in turn */
async function methodsOf({ urls }: { urls: readonly string[] }) {
  const masters = await Promise.all(urls.map(connect));
  let timer: NodeJS.Timeout | undefined;
  let done = 0;
  return {
    begin(perSecond: number): void {
      const began = performance.now();
      let made = 0;
      timer = setInterval(() => {
        for (const due = ((performance.now() - began) * perSecond) / 1000; made < due; made++) {
          const { client, key } = masters[made % masters.length]!;
          void client.sendCommand(["MGET", key]).then(() => done++);
        }
      }, 1);
    },
    /** How many have been answered. */
    end(): number {
      clearInterval(timer);
      const answered = done;
      done = 0;
      return answered;
    },
  };
}

/** With a key that lies there. */
async function connect(url: string) {
  const client = createClient({ url });
  await client.connect();
  for (let at = 0; at < KEYS_TO_TRY; at++) {
    const key = `load:${at}`;
    const isHere = await client.sendCommand(["SET", key, "x".repeat(1000)]).then(
      () => true,
      () => false, // MOVED
    );
    if (isHere) return { client, key };
  }
  throw new Error(`no key lies at ${url}`);
}
