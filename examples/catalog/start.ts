// Starts the catalog and its auth service, says what to try, and stays up.
import { once } from "node:events";
import * as http from "node:http";
import { createControl } from "./control.js";
import { type CurlLine, createCurlLines } from "./curl-lines.js";
import { Listener } from "./listener.js";
import { type Catalog, type Stage, startStage } from "./stage.js";

const DEFAULT_PORT = 3000;
const RECOVERY_SECONDS = 5; // shorter than portero's default, to be tried by hand

const port = Number(process.env.PORT || DEFAULT_PORT);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`PORT is "${process.env.PORT}", which is no port: it must be a number from 0 (any free one) to 65535.`);
  process.exit(1);
}

const stopped = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
const stage = await startStage({ breaker: { recoveryMs: RECOVERY_SECONDS * 1000 }, timeoutMs: 3000 });
const control = new Listener(() => http.createServer(createControl(stage.auth)));
try {
  await control.start();
  const catalog = await openCatalog(stage);
  await introduce(stage, catalog);
  await stopped;
  console.log("\nClosing.");
} finally {
  await control.stop();
  await stage.close();
}

/** On PORT, else on 3000; on a free port when that one is taken. */
async function openCatalog({ openCatalog }: Stage): Promise<Catalog> {
  try {
    return await openCatalog(port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    console.log(`Port ${port} is taken: the catalog takes a free one.`);
    return openCatalog();
  }
}

async function introduce({ auth, redis }: Stage, catalog: Catalog): Promise<void> {
  const chapters = await createCurlLines(auth, {
    catalog: catalog.url,
    control: control.url,
    recoverySeconds: RECOVERY_SECONDS,
  });
  console.log(`
The catalog:       ${catalog.url}
The auth service:  ${auth.grpc.url} (gRPC), ${auth.rest.url} (REST), ${control.url} (control)
The shared cache:  ${redis ? redis.url : "none: there is no redis-server on this machine"}

To try, in this order. Before each line: the status that it answers. Tokens are good for an hour.`);
  for (const { title, lines } of chapters) console.log(`\n${title}\n${lines.map(print).join("\n")}`);
  console.log("\nCtrl-C ends it all.");
}

function print({ status, says, line }: CurlLine): string {
  return `\n# ${status}: ${says}\n${line}`;
}
