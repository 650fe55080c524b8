import { describe, expect, test } from "@jest/globals";
import { MAX_REPLY_BYTES, ReplyGuard } from "../../src/cache/reply-guard.js";

const HONEST = [
  "+OK\r\n",
  ":1\r\n",
  "-READONLY You can't write against a read only replica.\r\n",
  "$-1\r\n",
  "$0\r\n\r\n",
  "$12\r\n*9\r\n$9\r\n\r\n\n+\r\n",
  "*0\r\n",
  "*-1\r\n",
  "*3\r\n$3\r\nabc\r\n$-1\r\n$2\r\n\r\n\r\n",
].join("");

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
});

describe("What can be no answer is refused:", () => {
  test.each([
    ["a text that is too long", `$${MAX_REPLY_BYTES + 1}\r\n`],
    ["a list that is too long", "*5000\r\n"],
    ["a list within a list", "*2\r\n*1\r\n"],
    ["a list within a list, behind a text", "*2\r\n$1\r\nx\r\n*0\r\n"],
    ["a map", "%1\r\n"],
    ["something pushed", ">2\r\n"],
    ["a size of no digits", "$\r\n"],
    ["a negative size", "$-2\r\n"],
    ["a size in another notation", "$1e3\r\n"],
    ["a line that ends with a line feed alone", "+OK\n"],
    ["HTTP", "HTTP/1.1 400 Bad Request\r\n"],
    ["a line without an end", `+${"x".repeat(5000)}`],
  ])("%s", (_what, bytes) => {
    expect(new ReplyGuard().accepts(Buffer.from(bytes))).toBe(false);
  });

  test("texts of one list that are too long together", () => {
    const guard = new ReplyGuard();
    const half = text(MAX_REPLY_BYTES / 2);
    expect(guard.accepts(Buffer.from("*3\r\n"))).toBe(true);
    expect(guard.accepts(half)).toBe(true);
    expect(guard.accepts(half)).toBe(false);
  });
});
