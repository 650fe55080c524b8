import type { Bench } from "./kit/bench.js";
import { compareServers } from "./kit/http-load.js";

export const koa: Bench = {
  name: "koa",
  question: "What does `requireAuth()` cost a cached user, in a real Koa server under load?",
  setup:
    "Two Koa servers that answer alike, each in a process of its own: bare, and with `requireAuth()` of `portero/koa`.",
  run: (context) =>
    compareServers(
      ["bare Koa", "portero in Koa"],
      [{ of: "portero in Koa", with: "bare Koa", atLeast: 0.92 }],
      context,
    ),
};
