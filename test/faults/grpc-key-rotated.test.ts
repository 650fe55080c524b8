import * as grpc from "@grpc/grpc-js";
import { expect, jest, test } from "@jest/globals";
import type { AuthError } from "../../src/client.js";
import { startGrpcJs } from "../support/grpc-js-server.js";
import { type Answer, openCaller } from "./caller.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody, tokenOf } from "./people.js";

jest.setTimeout(60_000);

/** Long enough for a busy machine to see every entry get old before the first one ends. */
const TTL_MS = 8000;
const PEOPLE = 12;
const EVERY_MS = 50;
const OURS = "key-1";

test("An auth service that no longer takes our key logs out four users, says so once, and the others stay when it does again", async () => {
  const users = everybody();
  const keys = new Set([OURS]);
  const server = await startGrpcJs({
    VerifyToken: ({ metadata, request }, callback) => {
      const isOurs = keys.has(String(metadata.get("x-service-key")[0]));
      const user = isOurs ? users[request.token ?? ""] : undefined;
      if (user) callback(null, { user_id: user.id, is_active: true });
      else callback({ code: grpc.status.UNAUTHENTICATED });
    },
  });
  opened(server);
  const { client, logLines } = opened(
    await openCaller({
      grpc: { url: server.url, timeoutMs: 10_000 },
      headers: { "X-Service-Key": OURS },
      cache: { ttlMs: TTL_MS },
    }),
  );
  const moves: boolean[] = [];
  client.on("refusals", ({ refusing }) => moves.push(refusing));
  const during: Answer[] = [];
  const out = new Set<number>();
  const knock = async (person: number) => {
    const start = performance.now();
    const got = await client.verifyToken(tokenOf(person)).then(
      ({ source }) => ({ status: 200, source, code: undefined }),
      (error: AuthError) => ({ status: error.status, source: undefined, code: error.code }),
    );
    if (got.status !== 200) out.add(person);
    during.push({ token: "known", ...got, retryAfter: undefined, tookMs: performance.now() - start });
  };
  const everyone = async () => {
    for (let person = 0; person < PEOPLE; person++) await knock(person);
    await new Promise<void>((resolve) => setTimeout(resolve, EVERY_MS));
  };
  const refusedInARow = () => client.status().grpc?.refusals ?? 0;
  await everyone();
  expect(during.every(({ source }) => source === "grpc")).toBe(true);
  during.length = 0;

  keys.clear();
  while (refusedInARow() < PEOPLE - 2) await everyone();
  expect([moves, out.size]).toEqual([[true], 4]);
  keys.add(OURS);
  while (moves.length === 1) await everyone();
  record("gRPC", `the service refuses our key while the entries of ${PEOPLE} users get old`, during);

  expect(moves).toEqual([true, false]);
  expect(out.size).toBe(4);
  expect(new Set(during.map(({ status, code }) => `${status} ${code}`))).toEqual(
    new Set(["200 undefined", "401 invalid_token"]),
  );
  expect(logLines.filter((line) => line.includes("refuses tokens"))).toHaveLength(1);
});
