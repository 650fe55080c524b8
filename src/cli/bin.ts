#!/usr/bin/env node
import { createRequire } from "node:module";
import { systemClock } from "../runtime/clock.js";
import { main } from "./main.js";

const { version } = createRequire(import.meta.url)("portero/package.json") as { version: string };
const ending = new AbortController();
const end = () => {
  if (ending.signal.aborted) process.exit(130);
  ending.abort();
};
process.on("SIGINT", end);
process.on("SIGTERM", end);
// What reads this process's output may end first: `portero doctor | head -1`.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(1));
const { stdin, stdout, stderr, env } = process;
const io = { stdin, stdout, stderr, env, cwd: process.cwd(), clock: systemClock, version, signal: ending.signal };
process.exitCode = await main(process.argv.slice(2), io);
stdin.unref?.();
