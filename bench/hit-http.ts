import type { Bench } from "./kit/bench.js";
import { compareServers } from "./kit/http-load.js";

export const hitHttp: Bench = {
  name: "hit-http",
  question: "What does `requireAuth()` cost a cached user, in a real Express 5 server under load?",
  setup:
    "Express 5 servers that answer alike, each in a process of its own: bare, with `requireAuth()`, under the first " +
    "load with SHA-256 of the token and nothing else, and with each of two that verify the token's signature (RS256). 64 connections, tokens of 1.5 KB with 30 permissions and 20 locals: 100 users in turn on all connections, as behind a proxy, and then " +
    "a user for each connection, as browsers do. The load generator runs on the same cores, in one thread, " +
    "and then in one for each connection, which costs both servers alike: no target is held against that.",
  run: (context) =>
    compareServers(
      [
        {
          users: "mixed",
          kinds: ["bare Express", "Express with SHA-256", "portero", "express-oauth2-jwt-bearer", "express-jwt"],
          comparisons: [
            { of: "portero", with: "bare Express", atLeast: 0.92 },
            { of: "portero", with: "express-oauth2-jwt-bearer", atLeast: 2.5 },
            { of: "portero", with: "express-jwt", atLeast: 2.5 },
            { of: "portero", with: "Express with SHA-256" },
            { of: "Express with SHA-256", with: "bare Express" },
          ],
        },
        {
          users: "one each",
          kinds: ["bare Express", "portero"],
          comparisons: [{ of: "portero", with: "bare Express" }],
        },
      ],
      context,
    ),
};
