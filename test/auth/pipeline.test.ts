import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { assembleAuthClient } from "../../src/auth/create-auth-client.js";
import type { AuthClientOptions } from "../../src/client.js";
import { unaryTransport } from "../../src/transport/stage.js";
import { root } from "../support/workspace.js";

/** As many frames as a call can have on its way. */
const FRAMES = 200;
/** An address: while a name is looked up the stack is left. */
const url = "http://192.0.2.1:50051";
const headers = { "x-service": "shop" };
const { stackTraceLimit } = Error;

afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

/** Those that make a stage, by what they import; what they use is on the stack as well. */
const STAGES = readdirSync(join(root, "src", "transport"))
  .filter((file) =>
    /\bunaryTransport\b[^;]*from "\.\/stage\.js"|\bControlledHandler\b[^;]*from "\.\/timeout\.js"/.test(
      readFileSync(join(root, "src", "transport", file), "utf8"),
    ),
  )
  .map((file) => file.replace(/\.ts$/, ""));

/** The stages that one call goes through, by the stack on which it reaches the network: each file, from the outermost on. */
async function stagesOf(options: AuthClientOptions): Promise<string[]> {
  let stages: string[] = [];
  const recording = (end: string) =>
    unaryTransport(() => {
      Error.stackTraceLimit = FRAMES;
      const frames = [...(new Error().stack ?? "").matchAll(/\/src\/transport\/([\w-]+)\.ts:/g)].map(
        ([, name]) => name,
      );
      const files = frames.filter((name) => STAGES.includes(name as string)).reverse() as string[];
      stages = [...files, end].filter((name, at, all) => name !== all[at - 1]);
      return Promise.reject(new Error("asked enough"));
    });
  const renew = () => undefined;
  const client = assembleAuthClient(
    { logger: false, ...options },
    {
      grpc: () => {
        const link = { isReady: true, connect: async () => undefined, drop: renew, renew, close: renew };
        return { ...link, transport: recording("grpc") };
      },
      rest: () => ({
        transport: recording("rest"),
        anew: recording("rest"),
        renew,
        warm: async () => undefined,
        close: renew,
      }),
    },
  );
  await client.verifyToken("token-ana").catch(() => undefined);
  await client.close();
  return stages;
}

/** What a text says of the order: the words between its arrows, up to the network's two ends. */
function orderIn(text: string): string[] {
  const said = /\blimit →[\s\S]*?→ grpc \| rest/.exec(text)?.[0] ?? "";
  return [...said.matchAll(/→ ([\w-]+)|([\w-]+)(?= →)/g)].map(([, after, before]) => (after ?? before) as string);
}

describe.each([join("src", "auth", "pipeline.ts"), "CONTRIBUTING.md"])("The order of the stages in %s", (path) => {
  const order = orderIn(readFileSync(join(root, path), "utf8"));

  test("is the order in which a call goes through them", async () => {
    expect(await stagesOf({ grpc: { url }, headers })).toEqual(order);
    expect(await stagesOf({ grpc: { url }, rest: { url }, headers })).toEqual(order);
  });

  test("holds for REST, and without credentials", async () => {
    const rest = order.filter((name) => name !== "balance").map((name) => (name === "grpc" ? "rest" : name));
    expect(await stagesOf({ rest: { url }, headers })).toEqual(rest);
    expect(await stagesOf({ rest: { url } })).toEqual(rest.filter((name) => name !== "credentials"));
  });
});
