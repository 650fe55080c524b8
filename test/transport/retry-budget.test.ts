import { expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import * as grpc from "../support/grpc-replies.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { type RawRestServer, startRawGrpc, startRawRest } from "../support/raw-upstreams.js";
import * as rest from "./rest-replies.js";

const opened = closedAfterEach();
const BLIPS = 12;

/** Both upstreams do the same with the next call each. */
async function start() {
  const grpcReplies = { blip: grpc.trailersOnly(14), poison: grpc.trailers(2), busy: grpc.trailers(8) };
  const restReplies = { blip: rest.status(503), poison: rest.status(500), busy: rest.status(429) };
  const overGrpc: ("blip" | "poison" | "busy")[] = [];
  const overRest: typeof overGrpc = [];
  const grpcServer = opened(
    await startRawGrpc((stream) => {
      const what = overGrpc.shift();
      (what ? grpcReplies[what] : grpc.message(grpc.user("ana")))(stream);
    }),
  );
  const answer: RawRestServer["reply"] = (response, request) => {
    const what = overRest.shift();
    (what ? restReplies[what] : rest.json(rest.ANA))(response, request);
  };
  const restServer = opened(await startRawRest(answer));
  const client = opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url: grpcServer.url, timeoutMs: 10_000 },
      rest: { url: restServer.url, timeoutMs: 10_000 },
      retry: { attempts: 3 },
      breaker: { failureThreshold: 1000 },
      random: () => 0,
      logger: false,
    }),
  );
  let asked = 0;
  /** Each time another token. */
  const ask = async (what?: "blip" | "poison" | "busy") => {
    const times = what === "busy" ? 3 : 1;
    if (what) for (const side of [overGrpc, overRest]) side.push(...Array.from({ length: times }, () => what));
    const code = await client.verifyToken(`token-${asked++}`).then(
      () => "let in",
      ({ code }: { code: string }) => code,
    );
    for (const side of [overGrpc, overRest]) side.length = 0;
    return code;
  };
  return { ask };
}

test.each(["poison", "busy"] as const)(
  "%s tokens of strangers take no retry from those whom a blip of both upstreams hits",
  async (what) => {
    const { ask } = await start();
    const outcomes: string[] = [];
    for (let blip = 0; blip < BLIPS; blip++) {
      for (let stranger = 0; stranger < 3; stranger++) expect(await ask(what)).toBe("auth_unavailable");
      outcomes.push(await ask("blip"));
      for (let other = 0; other < 9; other++) expect(await ask()).toBe("let in");
    }
    expect(outcomes).toEqual(Array.from({ length: BLIPS }, () => "let in"));
  },
);
