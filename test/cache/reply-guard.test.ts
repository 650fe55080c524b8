import { describe, expect, test } from "@jest/globals";
import { MAX_REPLY_BYTES, ReplyGuard } from "../../src/cache/reply-guard.js";

const HONEST = [
  "+OK\r\n",
  "+\r\n",
  ":1\r\n",
  "-READONLY You can't write against a read only replica.\r\n",
  "$-1\r\n",
  "$0\r\n\r\n",
  "$12\r\n*9\r\n$9\r\n\r\n\n+\r\n",
  "$0000000003\r\nabc\r\n",
  "*0\r\n",
  "*-1\r\n",
  "*1\r\n:5\r\n",
  "*3\r\n$3\r\nabc\r\n$-1\r\n$2\r\n\r\n\r\n",
].join("");

/** The longest line, and the longest list. */
const MAX_LINE = 4096;
const MAX_ITEMS = 4096;

const line = (bytes: number) => `+${"x".repeat(bytes - 3)}\r\n`;
const text = (bytes: number) => Buffer.from(`$${bytes}\r\n${"x".repeat(bytes)}\r\n`);

describe("What Redis answers is let through", () => {
  test("wherever the network cuts it", () => {
    for (let size = 1; size <= HONEST.length; size++) {
      const guard = new ReplyGuard();
      for (let at = 0; at < HONEST.length; at += size) {
        expect(guard.accepts(Buffer.from(HONEST.slice(at, at + size)))).toBe(true);
      }
      expect(guard.bytes).toBe(HONEST.length);
    }
  });

  test("however much it is in all", () => {
    const guard = new ReplyGuard();
    const half = text(MAX_REPLY_BYTES / 2);
    for (let n = 0; n < 6; n++) expect(guard.accepts(half)).toBe(true);
  });

  test("wherever it stands in what has come at once", () => {
    const guard = new ReplyGuard();
    expect(guard.accepts(Buffer.concat([text((MAX_REPLY_BYTES / 4) * 3), Buffer.from("*2\r\n")]))).toBe(true);
  });

  test.each(["", "*0\r\n", "*-1\r\n", "$-1\r\n", "+OK\r\n"])(
    "as far as a text of the longest reply, and no further, behind %j",
    (before) => {
      const longest = MAX_REPLY_BYTES - "$16777205\r\n".length;
      for (const [bytes, accepted] of [
        [longest, true],
        [longest + 1, false],
      ] as const) {
        const guard = new ReplyGuard();
        expect(guard.accepts(Buffer.from(before))).toBe(true);
        expect(guard.accepts(Buffer.from(`$${bytes}\r\n`))).toBe(accepted);
      }
    },
  );

  test("as far as the longest line, and no further", () => {
    for (const cut of [1, 1000, MAX_LINE - 1]) {
      for (const [bytes, accepted] of [
        [MAX_LINE, true],
        [MAX_LINE + 1, false],
      ] as const) {
        const guard = new ReplyGuard();
        expect(guard.accepts(Buffer.from(line(bytes).slice(0, cut)))).toBe(true);
        expect(guard.accepts(Buffer.from(line(bytes).slice(cut)))).toBe(accepted);
      }
    }
  });

  test("as far as the longest list, and no further", () => {
    expect(new ReplyGuard().accepts(Buffer.from(`*${MAX_ITEMS}\r\n`))).toBe(true);
    expect(new ReplyGuard().accepts(Buffer.from(`*${MAX_ITEMS + 1}\r\n`))).toBe(false);
  });

  test("as far as a list of lines is no longer than the longest reply", () => {
    const guard = new ReplyGuard();
    const begin = `*${MAX_ITEMS}\r\n`;
    expect(guard.accepts(Buffer.from(begin + line(MAX_LINE).repeat(MAX_ITEMS - 1)))).toBe(true);
    const left = MAX_REPLY_BYTES - guard.bytes;
    expect(guard.accepts(Buffer.from(line(MAX_LINE).slice(0, left)))).toBe(true);
    expect(guard.accepts(Buffer.from("x"))).toBe(false);
  });
});

describe("What can be no answer is refused:", () => {
  test.each([
    ["a text that is too long", `$${MAX_REPLY_BYTES + 1}\r\n`],
    ["a list that is too long", "*5000\r\n"],
    ["a list within a list", "*2\r\n*1\r\n"],
    ["a list within a list, behind a text", "*2\r\n$1\r\nx\r\n*0\r\n"],
    ["a size behind something else", "x$1\r\n"],
    ["a map", "%1\r\n"],
    ["something pushed", ">2\r\n"],
    ["a size of no digits", "$\r\n"],
    ["a size below zero by more than one", "$-12\r\n"],
    ["a size with a sign", "$+1\r\n"],
    ["a size of eleven digits", "$00000000001\r\n"],
    ["a negative size", "$-2\r\n"],
    ["a size in another notation", "$1e3\r\n"],
    ["a line that ends with a line feed alone", "+OK\n"],
    ["a line of nothing", "\r\n"],
    ["a line feed", "\n"],
    ["a line feed behind a line", "+OK\r\n\n"],
    ["HTTP", "HTTP/1.1 400 Bad Request\r\n"],
    ["a line without an end", `+${"x".repeat(5000)}`],
  ])("%s", (_what, bytes) => {
    expect(new ReplyGuard().accepts(Buffer.from(bytes))).toBe(false);
  });

  test("a list within a list, wherever the network cuts the text before it", () => {
    const reply = "*2\r\n$4\r\nabcd\r\n";
    for (let cut = 1; cut < reply.length; cut++) {
      const guard = new ReplyGuard();
      expect(guard.accepts(Buffer.from(reply.slice(0, cut)))).toBe(true);
      expect(guard.accepts(Buffer.from(reply.slice(cut)))).toBe(true);
      expect(guard.accepts(Buffer.from("*1\r\n"))).toBe(false);
    }
  });

  test("texts of one list that are too long together", () => {
    const guard = new ReplyGuard();
    const half = text(MAX_REPLY_BYTES / 2);
    expect(guard.accepts(Buffer.from("*3\r\n"))).toBe(true);
    expect(guard.accepts(half)).toBe(true);
    expect(guard.accepts(half)).toBe(false);
  });
});

describe("Lists within lists, where they are asked for,", () => {
  const NESTED = "*2\r\n*3\r\n:0\r\n*2\r\n$1\r\na\r\n*0\r\n*-1\r\n*1\r\n*1\r\n:7\r\n";
  const guardOf = (maxItems: number, maxDepth: number) => new ReplyGuard({ maxItems, maxDepth });

  test("are let through as deep and as long as they may be, wherever the network cuts them, again and again", () => {
    for (let size = 1; size <= NESTED.length; size++) {
      const guard = guardOf(9, 4);
      for (let at = 0; at < 3 * NESTED.length; at += size) {
        expect(guard.accepts(Buffer.from(NESTED.repeat(3).slice(at, at + size)))).toBe(true);
      }
    }
  });

  test.each([
    ["deeper", 9, 3],
    ["of more items in all", 8, 4],
  ])("are refused when they are %s", (_how, maxItems, maxDepth) => {
    expect(guardOf(maxItems, maxDepth).accepts(Buffer.from(NESTED))).toBe(false);
  });

  test("count as one reply until the outermost ends", () => {
    const half = text(MAX_REPLY_BYTES / 2);
    const guard = guardOf(10, 2);
    expect(guard.accepts(Buffer.from("*2\r\n*1\r\n"))).toBe(true);
    expect(guard.accepts(half)).toBe(true);
    expect(guard.accepts(Buffer.from("*1\r\n"))).toBe(true);
    expect(guard.accepts(half)).toBe(false);
  });
});
