import { hash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { LRUCache } from "lru-cache";
import { createAuthClient, requireAuth } from "portero";
import type { Bench } from "./kit/bench.js";
import { nanosOf } from "./kit/micro.js";
import { launch } from "./kit/process.js";
import { forget, requestWith } from "./kit/requests.js";
import { inTurn } from "./kit/rounds.js";
import { ratioOf, spreadOf } from "./kit/spread.js";
import { distinctToken } from "./kit/tokens.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";

const USERS = 100;
const ROUNDS = 9;

export const hit: Bench = {
  name: "hit",
  question: "How far is a hit from the floor, which is SHA-256 of the token plus one look-up in an LRU?",
  setup:
    "In one process, without a network: `requireAuth()` with requests of 100 users, each with the headers of a browser, against " +
    '`crypto.hash("sha256", token)` and `LRUCache.get`. The requests are of changing users on one connection, and of a user for each: headers ' +
    "that were let in lately are not hashed again.",
  async run(context) {
    await using service = await launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url));
    const { grpc } = await service.call("urls");
    await using client = createAuthClient({ grpc: { url: grpc, hedgeMs: 60_000 }, cache: { ttlMs: 3_600_000 } });
    const tokens = Array.from({ length: USERS }, (_, user) => distinctToken(user));
    const lru = new LRUCache<string, object>({ max: 10_000 });
    for (const token of tokens) lru.set(hash("sha256", token, "base64url"), await client.verifyToken(token));

    const proxy = new Socket();
    const mixed = tokens.map((token) => requestWith(token, proxy));
    const direct = tokens.map((token) => requestWith(token, new Socket()));
    const handler = requireAuth({ client });
    const response = {} as ServerResponse;
    let passed = 0;
    const next = (error?: unknown) => {
      if (error) throw error;
      passed++;
    };
    let at = 0;
    let notFound = 0;
    const floor = () => {
      at = (at + 1) % USERS;
      if (!lru.get(hash("sha256", tokens[at]!, "base64url"))) notFound++;
    };
    const ours = (requests: readonly IncomingMessage[]) => () => {
      at = (at + 1) % USERS;
      const request = requests[at]!;
      forget(request);
      handler(request as never, response as never, next);
    };
    const samples = await inTurn(
      {
        floor: () => nanosOf(floor, context),
        mixed: () => nanosOf(ours(mixed), context),
        direct: () => nanosOf(ours(direct), context),
      },
      context.quick ? 1 : ROUNDS,
      context,
    );
    const before = { passed, hits: client.status().cache.hits };
    const again = ours(mixed);
    for (let round = 0; round < 1000; round++) again();
    const { grpc: asked } = await service.call("takeTraffic");
    return {
      figures: [
        { subject: "SHA-256 and LRU", what: "ns", spread: spreadOf(samples.floor) },
        { subject: "requireAuth(), another user", what: "ns", spread: spreadOf(samples.mixed) },
        { subject: "requireAuth(), the same header again", what: "ns", spread: spreadOf(samples.direct) },
      ],
      ratios: [
        {
          what: "requireAuth() for another user / floor",
          spread: ratioOf(samples.mixed, samples.floor),
          target: { atMost: 0.5 },
        },
        { what: "requireAuth() for the same header again / floor", spread: ratioOf(samples.direct, samples.floor) },
      ],
      counts: [
        { what: "questions to the service", is: asked, target: { exactly: USERS } },
        { what: "requests let in by 1,000 hits, at once", is: passed - before.passed, target: { exactly: 1000 } },
        { what: "look-ups of the floor that found nothing", is: notFound, target: { exactly: 0 } },
        { what: "hits of 1,000", is: client.status().cache.hits - before.hits, target: { exactly: 1000 } },
      ],
    };
  },
};
