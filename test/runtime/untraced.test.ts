import { afterEach, expect, test } from "@jest/globals";
import { untraced } from "../../src/runtime/untraced.js";
import { openClient, startService } from "../support/open-client.js";

const LIMIT = Error.stackTraceLimit;
afterEach(() => {
  Error.stackTraceLimit = LIMIT;
});

test("What is made without a trace has its message alone, and what is made afterwards has one.", () => {
  expect(untraced(() => new Error("quick")).stack).toBe("Error: quick");
  const fail = () => {
    throw new TypeError("quick");
  };
  expect(() => untraced(fail)).toThrow(TypeError);
  expect(new Error("slow").stack).toContain("\n    at ");
  expect(Error.stackTraceLimit).toBe(LIMIT);
});

test("Where the limit cannot be set, there is a trace.", () => {
  Object.defineProperty(Error, "stackTraceLimit", { value: LIMIT, writable: false });
  try {
    expect(untraced(() => new Error("slow")).stack).toContain("\n    at ");
  } finally {
    Object.defineProperty(Error, "stackTraceLimit", { value: LIMIT, writable: true });
  }
});

test("A refusal has no trace, nor have the error of a question without a place and what it is caused by.", async () => {
  const service = await startService({ users: {} });
  const client = openClient(service, { limit: { maxConcurrent: 1, maxQueue: 0 } } as never);
  const errorOf = (token: string) => client.verifyToken(token).catch((error: unknown) => error) as Promise<Error>;
  const [refusal, overloaded] = await Promise.all([errorOf("nobody-0123"), errorOf("nobody-4567")]);
  expect(refusal.stack).toBe("AuthError: The token is not valid.");
  expect(overloaded.stack).toBe("AuthError: Too many verifications are waiting.");
  expect((overloaded.cause as Error).stack).toMatch(/^OverloadedError: [^\n]*$|^Error: [^\n]*$/);
});
