import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, jest, test } from "@jest/globals";
import { perform } from "./curl.js";
import { Program } from "./program.js";

jest.setTimeout(60_000);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function start(env: Readonly<Record<string, string>>): Promise<Program> {
  const program = new Program("examples/catalog/start.ts", env);
  ends.push(() => program.end());
  await program.wrote("Ctrl-C ends it all.\n");
  return program;
}

const urlsIn = (text: string) => [...new Set(text.match(/\bhttp:\/\/127\.0\.0\.1:\d+/g))];

test("every printed curl line answers what stands before it", async () => {
  const { output } = await start({ PORT: "0" });
  const lines = [...output.matchAll(/^# (\d{3}): (.+)\n(curl .+)$/gm)];
  expect(lines.length).toBe(output.match(/^curl /gm)?.length);

  const stated: unknown[] = [];
  const seen: unknown[] = [];
  for (const [, status, says = "", line = ""] of lines) {
    const answer = await perform(line);
    const source = /X-Auth-Source is (\w+)$/.exec(says)?.[1];
    const again = says.includes("again: ") ? await perform(line) : answer;
    stated.push({ says, status: Number(status), source, comeBack: says.includes("Retry-After") });
    seen.push({
      says,
      status: answer.status,
      source: source && again.header("X-Auth-Source"),
      comeBack: answer.header("Retry-After") !== undefined,
    });
  }
  expect(seen).toEqual(stated);
  expect(lines.map(([, status]) => Number(status))).toEqual(expect.arrayContaining([200, 201, 401, 403, 503]));
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends it, with every server that it started", async (signal) => {
  const program = await start({ PORT: "0" });
  const servers = urlsIn(program.output);
  const redis = /redis:(\/\/127\.0\.0\.1:\d+)/.exec(program.output)?.[1];
  if (redis) servers.push(`http:${redis}`);
  program.signal(signal);
  expect(await program.exitCode()).toBe(0);
  expect(servers.length).toBeGreaterThanOrEqual(4); // the catalog, gRPC, REST, the control
  for (const url of servers) await expect(fetch(url)).rejects.toThrow("fetch failed");
});

test("a port that is taken is no reason not to start, nor not to end", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  ends.push(() => other.close());
  const { port } = other.address() as AddressInfo;
  const program = await start({ PORT: String(port) });
  const { output } = program;
  expect(output).toContain(`Port ${port} is taken: the catalog takes a free one.`);
  expect(urlsIn(output)).not.toContain(`http://127.0.0.1:${port}`);
  await program.end();
  expect(await program.exitCode()).toBe(0);
});

test("a PORT that is no port is named, and nothing is started", async () => {
  const program = new Program("examples/catalog/start.ts", { PORT: "http" });
  expect(await program.exitCode()).toBe(1);
  expect(program.output).toBe(
    'PORT is "http", which is no port: it must be a number from 0 (any free one) to 65535.\n',
  );
});
