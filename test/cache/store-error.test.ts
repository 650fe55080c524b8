import { describe, expect, test } from "@jest/globals";
import {
  countError,
  errorCode,
  isReply,
  LostError,
  NotConnectedError,
  newStoreErrors,
  SlowError,
} from "../../src/cache/store-error.js";

const withCode = (code: unknown, message = "token-of-ana") => Object.assign(new Error(message), { code });

const REFUSAL = new Error("WRONGPASS invalid username-password pair");
const [LONGEST_CODE, LONGEST_WORD] = [`E${"X".repeat(63)}`, "E".repeat(20)];

test.each([
  ["ECONNREFUSED", withCode("ECONNREFUSED")],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", withCode("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")],
  [
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    withCode(
      "EPROTO",
      "write EPROTO 00:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:rec.c:1",
    ),
  ],
  ["EPROTO", withCode("EPROTO")],
  ["E2BIG", withCode("E2BIG")],
  ["E2", withCode("E2")],
  [LONGEST_CODE, withCode(LONGEST_CODE)],
  ["ECONNRESET", withCode("ECONNRESET", "READONLY is what it said before")],
  ["WRONGPASS", REFUSAL],
  ["ERR", new Error("ERR unknown command")],
  ["READONLY", withCode(7, "READONLY You can't write against a read only replica.")],
  ["READONLY", withCode("token-of-ana", "READONLY You can't write against a read only replica.")],
  [LONGEST_WORD, new Error(`${LONGEST_WORD} is what it said`)],
  ["NOAUTH", { message: "NOAUTH Authentication required." }],
])("the code of a store's error is shown: %s", (code, error) => {
  expect(errorCode(error)).toBe(code);
});

test.each([
  withCode("token-of-ana"),
  withCode("Token"),
  withCode("tOKEN"),
  withCode("ECONNRESET of ana"),
  withCode("of ana: ECONNRESET"),
  withCode("E"),
  withCode(`${LONGEST_CODE}X`),
  withCode(7),
  withCode(["ECONNRESET"]),
  new Error("token-of-ana is bad"),
  new Error("a TOKEN is bad"),
  new Error("A token is bad"),
  new Error("OF ana"),
  new Error("TOKEN"),
  new Error("TOKEN-of-ana is bad"),
  new Error(`${LONGEST_WORD}E is what it said`),
  { message: ["ERR is what it said"] },
  {},
  "ERR",
  null,
  undefined,
])("its text never is: %s", (error) => {
  expect(errorCode(error)).toBeUndefined();
});

describe("Redis itself", () => {
  test.each([
    REFUSAL,
    new Error("ERR unknown command"),
    new Error(`${LONGEST_WORD} is what it said`),
    { message: "ERR no" },
  ])("said it: %s", (error) => {
    expect(isReply(error)).toBe(true);
  });

  test.each([
    new Error("Socket closed unexpectedly"),
    new Error("the ERR is not there"),
    new Error("ER is too short"),
    new Error(`${LONGEST_WORD}E is too long`),
    new Error("ERR"),
    withCode("ECONNRESET", "read ECONNRESET now"),
    "ERR no",
    {},
    null,
    undefined,
  ])("did not say it: %s", (error) => {
    expect(isReply(error)).toBe(false);
  });
});

describe("An operation that failed is counted", () => {
  test.each<[keyof ReturnType<typeof newStoreErrors>, string, unknown]>([
    ["timeout", "it took too long", new SlowError("READONLY is no matter")],
    ["not_connected", "there was no connection", new NotConnectedError()],
    ["not_connected", "nothing could be connected to", new NotConnectedError(withCode("ECONNREFUSED"))],
    ["not_connected", "the connection was lost", new LostError()],
    ["refused", "Redis refused it", REFUSAL],
    ["refused", "Redis refused the connection", new NotConnectedError(REFUSAL)],
    ["other", "a store of the application could not be reached", withCode("ECONNREFUSED")],
    ["other", "a store failed in its own words", new Error("token-of-ana")],
    ["other", "a store failed for no reason", undefined],
  ])("as %s where %s", (why, _what, error) => {
    const errors = newStoreErrors();
    countError(errors, error);
    expect(errors).toStrictEqual({ timeout: 0, not_connected: 0, refused: 0, other: 0, [why]: 1 });
    countError(errors, error);
    expect(errors[why]).toBe(2);
  });
});

describe("Where there is no connection", () => {
  test.each([
    ["no code", undefined, undefined],
    ["no code", new Error("token-of-ana"), undefined],
    ["the code of Node", withCode("ECONNREFUSED"), "ECONNREFUSED"],
    ["the code of Redis", REFUSAL, "WRONGPASS"],
  ])("the error has %s for what connecting failed with: %s", (_which, cause, code) => {
    const error = new NotConnectedError(cause);
    expect([error.name, error.message, error.cause, error.code]).toStrictEqual([
      "NotConnectedError",
      "there is no connection to the shared cache",
      cause,
      code,
    ]);
  });

  test("an operation that was lost under way is one of these", () => {
    expect(new LostError()).toBeInstanceOf(NotConnectedError);
  });
});
