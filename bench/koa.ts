import type { Bench } from "./kit/bench.js";
import { compareServers } from "./kit/http-load.js";

export const koa: Bench = {
  name: "koa",
  question: "What does `requireAuth()` cost a cached user, in a real Koa server under load?",
  setup:
    "Two Koa servers that answer alike, each in a process of its own: bare, and with `requireAuth()` of `portero/koa`. 64 " +
    "connections: 100 users in turn on all of them, and then a user for each.",
  run: (context) =>
    compareServers(
      (["one each", "mixed"] as const).map((users) => ({
        users,
        kinds: ["bare Koa", "portero in Koa"],
        comparisons: [{ of: "portero in Koa", with: "bare Koa", ...(users === "mixed" && { atLeast: 0.92 }) }],
      })),
      context,
    ),
};
