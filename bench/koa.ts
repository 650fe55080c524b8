import type { Bench } from "./kit/bench.js";
import { compareServers } from "./kit/http-load.js";

export const koa: Bench = {
  name: "koa",
  question: "What does `requireAuth()` cost a cached user, in a real Koa server under load?",
  setup:
    "Koa servers that answer alike, each in a process of its own: bare, with `requireAuth()` of `portero/koa`, and under the " +
    "first load with SHA-256 of the token and nothing else. 64 connections: 100 users in turn on all of them, and then a user for each.",
  run: (context) =>
    compareServers(
      [
        {
          users: "mixed",
          kinds: ["bare Koa", "Koa with SHA-256", "portero in Koa"],
          comparisons: [
            { of: "portero in Koa", with: "bare Koa", atLeast: 0.92 },
            { of: "portero in Koa", with: "Koa with SHA-256" },
            { of: "Koa with SHA-256", with: "bare Koa" },
          ],
        },
        {
          users: "one each",
          kinds: ["bare Koa", "portero in Koa"],
          comparisons: [{ of: "portero in Koa", with: "bare Koa" }],
        },
      ],
      context,
    ),
};
