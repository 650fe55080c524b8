// Many clients that follow the log of invalidations, all in one process.

import { setTimeout as sleep } from "node:timers/promises";
import { createAuthClient } from "portero";
import { expose } from "../kit/process.js";

export interface LogListenersOptions {
  readonly count: number;
  readonly redisUrl: string;
  readonly grpcUrl: string;
  readonly secret: string;
}

/** Far more than it takes, in milliseconds. */
const READY_MS = 30_000;

export type LogListenersProcess = ReturnType<typeof methodsOf>;

await expose<LogListenersOptions, LogListenersProcess>(methodsOf);

function methodsOf({ count, grpcUrl, ...cache }: LogListenersOptions) {
  const clients = Array.from({ length: count }, () =>
    createAuthClient({ grpc: { url: grpcUrl }, cache: { ...cache, namespace: "fleet" }, logger: false }),
  );
  return {
    /** When all of them are live. */
    async ready(): Promise<void> {
      const isLive = () => clients.every((client) => client.status().cache.log === "live");
      for (const end = performance.now() + READY_MS; !isLive(); await sleep(20)) {
        if (performance.now() > end) throw new Error("the log does not become live");
      }
    },
    /** What they heard so far, together. */
    heard: (): number => clients.reduce((sum, client) => sum + client.status().cache.heard, 0),
  };
}
