import type { Bench } from "./kit/bench.js";
import { compareServers } from "./kit/http-load.js";

export const hitHttp: Bench = {
  name: "hit-http",
  question: "What does `requireAuth()` cost a cached user, in a real Express 5 server under load?",
  setup:
    "Four Express 5 servers that answer alike, each in a process of its own: bare, with `requireAuth()`, and with each of two that verify " +
    "the token's signature (RS256). 64 connections, 100 users, tokens of 1.5 KB with 30 permissions and 20 locals.",
  run: (context) =>
    compareServers(
      ["bare Express", "portero", "express-oauth2-jwt-bearer", "express-jwt"],
      [
        { of: "portero", with: "bare Express", atLeast: 0.92 },
        { of: "portero", with: "express-oauth2-jwt-bearer", atLeast: 2.5 },
        { of: "portero", with: "express-jwt", atLeast: 2.5 },
      ],
      context,
    ),
};
