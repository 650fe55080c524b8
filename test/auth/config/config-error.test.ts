import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { ConfigError, optionsFromEnv } from "../../../src/client.js";

function thrown(): ConfigError {
  try {
    readConfig(optionsFromEnv({ AUTH_GRPC_URL: "http://auth", AUTH_DEADLINE: "soon", AUTH_STRICT: "perhaps" }));
  } catch (error) {
    if (error instanceof ConfigError) return error;
  }
  throw new Error("no ConfigError");
}

const times = (text: string, part: string) => text.split(part).length - 1;

test("A ConfigError is printed once, by Node, by console and by inspect.", () => {
  const error = thrown();
  for (const text of [inspect(error), inspect({ error }), inspect(error, { depth: 9 }), String(error.stack)]) {
    expect([times(text, "AUTH_DEADLINE"), times(text, "soon"), times(text, "AUTH_STRICT: ")]).toEqual([1, 1, 1]);
    expect(times(text, "ConfigError")).toBe(1);
  }
});

test("So it is when it ends the process.", () => {
  const client = fileURLToPath(new URL("../../../src/client.ts", import.meta.url));
  const tsx = fileURLToPath(new URL("../../../node_modules/tsx/dist/cli.mjs", import.meta.url));
  const script = `import(${JSON.stringify(client)}).then(({ getAuthClient }) => getAuthClient())`;
  const env = { ...process.env, AUTH_REST_URL: "http://auth", AUTH_DEADLINE: "soon" };
  const { status, stderr } = spawnSync(process.execPath, [tsx, "-e", script], { env, encoding: "utf8" });
  expect(status).not.toBe(0);
  expect([times(stderr, "portero cannot start"), times(stderr, 'got "soon"')]).toEqual([1, 1]);
  expect(stderr).not.toContain("problems:");
});

test("Loggers that go through an error's own properties, or write JSON, find each problem once.", () => {
  const error = thrown();
  const properties: string[] = [];
  for (const name in error) properties.push(name); // as pino's serializer does, beside type, message and stack
  expect(properties).toEqual([]);
  expect(Object.keys(error)).toEqual([]);
  const json = JSON.stringify({ error });
  expect([times(json, "AUTH_DEADLINE"), times(json, 'AUTH_STRICT"')]).toEqual([1, 1]);
  expect(JSON.parse(json)).toEqual({ error: { name: "ConfigError", problems: error.problems } });
});

test("Code still reads its name and its problems.", () => {
  const error = thrown();
  expect(error.name).toBe("ConfigError");
  expect(error.problems.map(({ name }) => name).sort()).toEqual(["AUTH_DEADLINE", "AUTH_STRICT"]);
  expect(error).toBeInstanceOf(Error);
  expect(error.message).toMatch(/^portero cannot start with these settings:\n {2}AUTH_/);
});
