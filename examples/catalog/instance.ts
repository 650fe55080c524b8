// One more instance of the catalog, in a process of its own, which is configured by its environment, as in production. Says its URL in one
// line; ends when its standard input does.
import * as http from "node:http";
import { createAuthClient, optionsFromEnv } from "portero";
import { createCatalog } from "./catalog-service.js";
import { Listener } from "./listener.js";

const options = optionsFromEnv();
// One connection: its calls are counted.
const client = createAuthClient({ ...options, grpc: { ...options.grpc, connections: { min: 1 } }, logger: false });
const listener = new Listener(() => http.createServer(createCatalog(client)));
await Promise.all([listener.start(), client.ready()]);
process.stdout.write(`${listener.url}\n`);
process.stdin.resume().once("end", () => process.exit());
