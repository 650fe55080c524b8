import { describe, expect, test } from "@jest/globals";
import { LogEchoes } from "../../src/cache/log-echoes.js";

/** More are not remembered. */
const MAX_ENTRIES = 10_000;

const ids = (count: number) => Array.from({ length: count }, (_, n) => `${n}-0`);

describe("An entry of this process", () => {
  test("is unread until it is read", () => {
    const echoes = new LogEchoes();
    for (const id of ["1-0", "2-0", "3-0"]) echoes.added(id);
    echoes.read("2-0");
    expect(echoes.unread).toEqual(["1-0", "3-0"]);
    echoes.read("1-0");
    echoes.read("3-0");
    expect(echoes.unread).toEqual([]);
  });

  test("that is read before the store has said that it was added is not unread after that", () => {
    const echoes = new LogEchoes();
    echoes.read("1-0");
    echoes.added("1-0");
    echoes.added("2-0");
    expect(echoes.unread).toEqual(["2-0"]);
  });

  test("is forgotten with all others, read early or not yet", () => {
    const echoes = new LogEchoes();
    echoes.added("1-0");
    echoes.read("2-0");
    echoes.clear();
    expect(echoes.unread).toEqual([]);
    echoes.added("2-0"); // it is another stream's
    expect(echoes.unread).toEqual(["2-0"]);
  });

  test("makes room, the oldest of them, where too many are unread", () => {
    const echoes = new LogEchoes();
    const all = ids(MAX_ENTRIES + 1);
    for (const id of all.slice(0, MAX_ENTRIES)) echoes.added(id);
    expect(echoes.unread).toHaveLength(MAX_ENTRIES);
    echoes.added(all.at(-1) as string);
    expect(echoes.unread).toEqual(all.slice(1));
  });

  test("makes room, the oldest of them, where too many were read early", () => {
    const echoes = new LogEchoes();
    const all = ids(MAX_ENTRIES + 1);
    for (const id of all) echoes.read(id);
    for (const id of all) echoes.added(id);
    expect(echoes.unread).toEqual(["0-0"]);
  });
});
