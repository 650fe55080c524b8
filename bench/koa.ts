import type { Bench } from "./kit/bench.js";
import { type Comparison, compareServers, type HttpLoad } from "./kit/compare-servers.js";

const FEW = { "Node 20": 0.88, "Node 24": 0.9 };
const MANY = { "Node 20": 0.8, "Node 24": 0.8 };

export const koa: Bench = {
  name: "koa",
  question: "What does `requireAuth()` cost a cached user, in a real Koa server under load?",
  setup:
    "As in hit-http: one server that is by turns a bare Koa application, one with `requireAuth()` of `portero/koa`, and one with SHA-256 of the " +
    "token and nothing else. 64 connections: 100, 1,000 and 10,000 users in turn on all of them, and then a user for each.",
  run: (context) =>
    compareServers([of(100, FEW), of(1000, FEW), of(10_000, MANY), { ...of(0), users: "one each" }], context),
};

function of(users: number, atLeast?: Comparison["atLeast"]): HttpLoad {
  return {
    users,
    kinds: ["bare Koa", "Koa with SHA-256", "portero in Koa"],
    comparisons: [
      { of: "portero in Koa", with: "bare Koa", ...(atLeast && { atLeast }) },
      { of: "portero in Koa", with: "Koa with SHA-256" },
    ],
  };
}
