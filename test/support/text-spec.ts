import type { CacheSpec } from "../../src/cache/spec.js";

export type TextSpec = CacheSpec<string, string, string, string>;

/** A spec whose questions, answers and subjects are the same text: what happens to them is all there is to see. */
export function textSpec(ask: TextSpec["ask"], more: Pick<TextSpec, "name" | "ttlMs"> & Partial<TextSpec>): TextSpec {
  return {
    refusalTtlMs: 0,
    id: (question) => question,
    ask,
    present: (value) => value,
    about: "user",
    subjectOf: (question) => question,
    encode: (value) => value,
    decode: (stored) => stored as string,
    bytesOf: () => 1,
    ...more,
  };
}
