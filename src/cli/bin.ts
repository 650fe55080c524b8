#!/usr/bin/env node
import { createRequire } from "node:module";
import { systemClock } from "../runtime/clock.js";
import { EXIT } from "./io.js";
import { main } from "./main.js";

const { version } = createRequire(import.meta.url)("portero/package.json") as { version: string };
const ending = new AbortController();
const end = () => {
  if (ending.signal.aborted) process.exit(EXIT.interrupted);
  ending.abort();
};
process.on("SIGINT", end);
process.on("SIGTERM", end);
// What reads this process's output may end first: `portero doctor | head -1`.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(EXIT.unread));
const { stdin, stdout, stderr, env } = process;
const io = { stdin, stdout, stderr, env, cwd: process.cwd(), clock: systemClock, version, signal: ending.signal };
const code = await main(process.argv.slice(2), io);
await Promise.all([stdout, stderr].map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))));
process.exit(code); // a look-up of a name that is not answered would keep the process alive for minutes
