import { describe, expect, test } from "@jest/globals";
import { RecentTokens } from "../../src/auth/recent-tokens.js";
import { Token } from "../../src/auth/token.js";
import { ManualClock } from "../support/manual-clock.js";

const GENERATION_MS = 60_000;
/** What a header takes besides its characters. */
const ENTRY_BYTES = 288;

function open(maxBytes = 1_000_000) {
  const clock = new ManualClock();
  const recent = new RecentTokens({ maxBytes, clock });
  const keep = (text: string, header = `Bearer ${text}`) => recent.keep(recent.find(header) ?? new Token(text, header));
  const holds = (text: string) => recent.find(`Bearer ${text}`) !== undefined;
  return { clock, recent, keep, holds };
}

const bytesOf = (...texts: string[]) => texts.reduce((sum, text) => sum + `Bearer ${text}`.length + ENTRY_BYTES, 0);

describe("The headers that were let in lately", () => {
  test("are found by the whole of their text", () => {
    const { recent, keep } = open();
    keep("token-ana");
    const token = recent.find("Bearer token-ana");
    expect([token?.text, token?.header, token?.id]).toEqual([
      "token-ana",
      "Bearer token-ana",
      new Token("token-ana").id,
    ]);
    for (const other of ["bearer token-ana", "Bearer  token-ana", "Bearer token-anb", "token-ana", "-ana", ""])
      expect(recent.find(other)).toBeUndefined();
  });

  test("are no pieces of what they came in", () => {
    const { recent } = open();
    const token = new Token("token-ana", "Bearer token-ana");
    recent.keep(token);
    expect(recent.find("Bearer token-ana")).not.toBe(token);
  });

  test.each(["a", "ab", "abcdefgh"])("may be as short as %p, and any length is asked for", (text) => {
    const { recent, keep } = open();
    keep(text, text);
    for (let length = 0; length < 12; length++)
      expect(recent.find("abcdefgh".repeat(2).slice(0, length))?.text).toBe(
        "abcdefgh".repeat(2).slice(0, length) === text ? text : undefined,
      );
  });

  test("are none of a token without a header, or with one that is long for it", () => {
    const { recent, keep } = open();
    recent.keep(new Token("token-ana"));
    keep("token-eva", `Bearer${" ".repeat(11)}token-eva`);
    expect(recent.bytes).toBe(0);
    keep("token-eva", `Bearer${" ".repeat(10)}token-eva`);
    expect(recent.bytes).toBeGreaterThan(0);
  });

  test("share a slot where they end alike: the first stays until its generation ends", async () => {
    const { clock, keep, holds, recent } = open();
    keep("ana.12345678");
    keep("eva.12345678");
    expect([holds("ana.12345678"), holds("eva.12345678")]).toEqual([true, false]);
    expect(recent.bytes).toBe(bytesOf("ana.12345678"));

    await clock.advance(GENERATION_MS);
    keep("eva.12345678");
    expect([holds("ana.12345678"), holds("eva.12345678")]).toEqual([false, true]);
  });

  test("go after one generation, and at the latest after the next, unless they come again", async () => {
    const { clock, keep, holds } = open();
    keep("token-ana");
    keep("token-eva");
    await clock.advance(GENERATION_MS - 1);
    expect([holds("token-ana"), holds("token-eva")]).toEqual([true, true]);
    await clock.advance(1);
    keep("token-ana");
    await clock.advance(GENERATION_MS - 1);
    expect([holds("token-ana"), holds("token-eva")]).toEqual([true, true]);
    await clock.advance(1);
    expect([holds("token-ana"), holds("token-eva")]).toEqual([true, false]);
    await clock.advance(GENERATION_MS);
    expect(holds("token-ana")).toBe(false);
  });

  test("have a timer while there are any", async () => {
    const { clock, keep, recent } = open();
    expect(clock.pending).toBe(0);
    keep("token-ana");
    keep("token-eva");
    expect(clock.pending).toBe(1);
    await clock.advance(GENERATION_MS);
    expect(clock.pending).toBe(1);
    await clock.advance(GENERATION_MS);
    expect([clock.pending, recent.bytes]).toEqual([0, 0]);
    keep("token-ana");
    expect(clock.pending).toBe(1);
  });

  test("are forgotten, and the timer with them, when the client is closed", async () => {
    const { clock, keep, holds, recent } = open();
    keep("token-eva");
    await clock.advance(GENERATION_MS);
    keep("token-ana");
    recent.clear();
    expect([holds("token-ana"), holds("token-eva"), recent.bytes, clock.pending]).toEqual([false, false, 0, 0]);
    recent.clear();
    keep("token-ana");
    expect([holds("token-ana"), clock.pending]).toEqual([true, 1]);
  });

  test("are counted once, in whichever generation they are", async () => {
    const { clock, keep, recent } = open();
    keep("token-ana");
    keep("token-eva");
    for (let time = 0; time < 3; time++) {
      keep("token-ana");
      expect(recent.bytes).toBe(bytesOf("token-ana", "token-eva"));
    }
    await clock.advance(GENERATION_MS);
    for (let time = 0; time < 3; time++) {
      keep("token-ana");
      expect(recent.bytes).toBe(bytesOf("token-ana", "token-eva"));
    }
    await clock.advance(GENERATION_MS);
    expect(recent.bytes).toBe(bytesOf("token-ana"));
  });
});

describe("Where there is no room,", () => {
  test("the headers of this generation stay, and no more is kept", () => {
    const { keep, holds, recent } = open(bytesOf("token-1", "token-2"));
    for (const text of ["token-1", "token-2", "token-3"]) keep(text);
    expect(["token-1", "token-2", "token-3"].map(holds)).toEqual([true, true, false]);
    expect(recent.bytes).toBe(bytesOf("token-1", "token-2"));
  });

  test("those of the generation before make it", async () => {
    const { clock, keep, holds, recent } = open(bytesOf("token-1", "token-2"));
    keep("token-1");
    keep("token-2");
    await clock.advance(GENERATION_MS);
    keep("token-2");
    keep("token-3");
    expect(["token-1", "token-2", "token-3"].map(holds)).toEqual([false, true, true]);
    expect(recent.bytes).toBe(bytesOf("token-2", "token-3"));
  });

  test.each([0, 1, bytesOf("token-1") - 1])("of %i bytes, none is kept, and no timer started", (maxBytes) => {
    const { clock, keep, holds } = open(maxBytes);
    keep("token-1");
    expect([holds("token-1"), clock.pending]).toEqual([false, 0]);
  });
});
