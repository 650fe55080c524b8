import { describe, expect, test } from "@jest/globals";
import {
  isBroken,
  isElsewhere,
  isRefused,
  isUnreadable,
  isUnusable,
  UnreadableReplyError,
} from "../../src/cache/log-wire.js";

/** What an error says of the log. */
function meaningOf(error: unknown): string[] {
  const meanings = { isUnusable, isRefused, isBroken, isElsewhere, isUnreadable };
  return Object.entries(meanings)
    .filter(([, means]) => means(error))
    .map(([name]) => name);
}

describe("Redis has no log for a process", () => {
  test.each([
    "NOPERM User app has no permissions to run the 'xread' command",
    "ERR unknown command 'XADD', with args beginning with: ",
    "ERR Unknown subcommand or wrong number of arguments",
    "ERR unsupported command",
    "ERR invalid request",
    "Unsupported command",
    "invalid command",
  ])("that says %j", (message) => {
    expect(meaningOf(new Error(message))).toEqual(["isUnusable", "isRefused"]);
  });

  test.each(["ERR command not allowed", "ERR 'xadd' is disabled here"])(
    "that says %j right behind a command that went well",
    (message) => {
      expect(meaningOf(new Error(message))).toEqual(["isRefused"]);
    },
  );
});

describe("A stream takes no more entries", () => {
  test.each([
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR The stream has exhausted the last possible ID, unable to add more items",
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
  ])("of which Redis says %j", (message) => {
    expect(meaningOf(new Error(message))).toEqual(["isBroken"]);
  });
});

describe("Another Redis has the stream, or will have it", () => {
  test.each([
    "MOVED 1234 10.0.0.7:6379",
    "ASK 1234 10.0.0.7:6379",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "CLUSTERDOWN The cluster is down",
    "READONLY You can't write against a read only replica.",
    "LOADING Redis is loading the dataset in memory",
  ])("where one says %j", (message) => {
    expect(meaningOf(new Error(message))).toEqual(["isElsewhere"]);
  });
});

describe("An answer", () => {
  test("cannot be read also where it is the cause of another error", () => {
    const error = new UnreadableReplyError("Redis sent what can be no answer");
    expect(String(error)).toBe("UnreadableReplyError: Redis sent what can be no answer");
    expect(meaningOf(error)).toEqual(["isUnreadable"]);
    expect(meaningOf(new Error("the connection was lost", { cause: error }))).toEqual(["isUnreadable"]);
    expect(meaningOf(new Error("the connection was lost", { cause: new Error("reset") }))).toEqual([]);
  });

  test.each([
    "ERR upstream connection reset",
    "ERR max number of clients reached",
    "MISCONF Redis refuses: ERR unknown command is what it would say",
    "MISCONF after an invalid request",
    "MISCONF after what was an ERR unsupported command",
    "OOM as NOPERM is no answer",
    "OOM since ERR The stream has exhausted the memory",
    "OOM not a WRONGTYPE",
    "the slot was MOVED 1234 10.0.0.7:6379",
    "MOVED",
    "read ECONNRESET",
    "",
  ])("that says %j may be another one the next time", (message) => {
    expect(meaningOf(new Error(message))).toEqual([]);
  });

  test.each([undefined, null, 7, "NOPERM no", {}, { message: undefined }, { message: 7 }])(
    "is not found in what is no error: %j",
    (thrown) => {
      expect(meaningOf(thrown)).toEqual([]);
    },
  );
});
