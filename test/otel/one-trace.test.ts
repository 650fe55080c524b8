import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { SeenSpan } from "../support/traced.js";
import { output, root } from "../support/workspace.js";

jest.setTimeout(60_000);

interface Seen {
  readonly status: number;
  /** Of a request that asks the auth service, and of the next one, which does not. */
  readonly asked: readonly SeenSpan[];
  readonly hit: readonly SeenSpan[];
}

describe("one trace", () => {
  let seen: Readonly<Record<"grpc" | "rest", Seen>>;

  beforeAll(async () => {
    const args = ["--no-warnings", "--import", "tsx", "test/otel/one-trace-main.ts"];
    seen = JSON.parse(await output(process.execPath, args, { cwd: root, timeoutMs: 50_000 }));
  });

  test("leads from Express through portero and gRPC to a span of the auth service's own", () => {
    const { status, asked } = seen.grpc;
    expect(status).toBe(200);
    expect(pathTo(asked, "verify")).toEqual([
      "app SERVER GET",
      "app INTERNAL portero.verify",
      "app CLIENT auth.AuthService/VerifyToken",
      "auth SERVER verify",
    ]);
    expect(new Set(asked.map(({ trace }) => trace)).size).toBe(1);
    expect(asked).toHaveLength(4);
  });

  test("leads through REST, with the spans that the instrumentation of node:http makes, and no other", () => {
    const { status, asked } = seen.rest;
    expect(status).toBe(200);
    expect(asked.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual([
      "CLIENT POST",
      "INTERNAL portero.verify",
      "SERVER GET",
      "SERVER POST",
    ]);
    expect(pathTo(asked, "POST", "SERVER")).toEqual([
      "app SERVER GET",
      "app INTERNAL portero.verify",
      "app CLIENT POST",
      "app SERVER POST",
    ]);
    expect(new Set(asked.map(({ trace }) => trace)).size).toBe(1);
  });

  test.each(["grpc", "rest"] as const)("has nothing of portero on a hit: %s", (upstream) => {
    expect(seen[upstream].hit.map(({ kind, name }) => `${kind} ${name}`)).toEqual(["SERVER GET"]);
  });
});

/** From the root down to a span. */
function pathTo(spans: readonly SeenSpan[], name: string, kind?: string): string[] {
  const path: string[] = [];
  let span = spans.find((each) => each.name === name && (kind === undefined || each.kind === kind));
  for (; span; span = spans.find(({ id }) => id === span?.parent)) path.unshift(`${span.by} ${span.kind} ${span.name}`);
  return path;
}
