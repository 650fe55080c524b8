import type { Bench } from "./kit/bench.js";
import { type Comparison, compareServers, type HttpLoad } from "./kit/compare-servers.js";

/** Fewer users at 10,000: what a look-up in a larger map costs is not portero's alone. */
const AT_LEAST = { few: { "Node 20": 0.88, "Node 24": 0.9 }, many: { "Node 20": 0.8, "Node 24": 0.8 } };

export const hitHttp: Bench = {
  name: "hit-http",
  question: "What does `requireAuth()` cost a cached user, in a real Express 5 server under load?",
  setup:
    "One server that is by turns, for 320 requests each in an order that chance gives, a bare Express 5 application, one with `requireAuth()`, " +
    "one with SHA-256 of the token and nothing else, and one with each of two middlewares that verify the token's signature (RS256). " +
    "Tokens of 1.5 KB with 30 permissions and 20 locals on 64 connections: 100, 1,000 and 10,000 users in turn on all of them, as behind a proxy, and " +
    "a user for each connection, as browsers do. CPU is the server's, for a request, in each turn without its first 64. " +
    "No target on Node 20 against the middlewares: bare Express itself is so dear there that 2.5 times the whole is out of reach.",
  run: (context) =>
    compareServers(
      [
        {
          users: 100,
          kinds: ["bare Express", "Express with SHA-256", "portero", "express-oauth2-jwt-bearer", "express-jwt"],
          comparisons: [
            ...besideBare(AT_LEAST.few),
            { of: "portero", with: "express-oauth2-jwt-bearer", atLeast: { "Node 24": 2.5 } },
            { of: "portero", with: "express-jwt", atLeast: { "Node 24": 2.5 } },
          ],
        },
        mixed(1000, AT_LEAST.few),
        mixed(10_000, AT_LEAST.many),
        { ...mixed(0), users: "one each" },
      ],
      context,
    ),
};

function mixed(users: number, atLeast?: Comparison["atLeast"]): HttpLoad {
  return {
    users,
    kinds: ["bare Express", "Express with SHA-256", "portero"],
    comparisons: besideBare(atLeast),
  };
}

function besideBare(atLeast: Comparison["atLeast"]): Comparison[] {
  return [
    { of: "portero", with: "bare Express", ...(atLeast && { atLeast }) },
    { of: "portero", with: "Express with SHA-256" },
  ];
}
