import type { Random } from "./random.js";

/** What stands in the place of an entry in a store that somebody else has written to. */
export const GARBAGE: readonly unknown[] = [
  "",
  "{",
  "null",
  "[]",
  "{}",
  "7",
  '"text"',
  null,
  7,
  true,
  [],
  { user: { id: "x" } },
  '{"askedAt":1e400,"expiresAt":1e400,"value":{}}',
  '{"askedAt":"now","expiresAt":9e15,"value":{"user":{"id":"x"}}}',
  '{"askedAt":9e15,"expiresAt":9e15,"value":{"user":{"id":"x","organizationId":"o","email":"e","permissions":[]},"locals":[]}}',
  '{"askedAt":1767225600000,"expiresAt":9e15,"value":{"user":{"id":""},"locals":[]}}',
  '{"askedAt":1767225600000,"expiresAt":9e15,"value":null}',
  '{"askedAt":1767225600000,"expiresAt":9e15,"value":{"__proto__":{"user":{}}}}',
];

/** As another process may write it, whose TTLs are longer: true, but not for so long. */
export function prolonged(text: unknown): unknown {
  return typeof text === "string" ? text.replace(/"expiresAt":[\d.]+/, '"expiresAt":9e15') : undefined;
}

/** Every character of base64url but the last one carries six bits: to change it changes the content. */
export function changed(text: string, random: Random): string {
  const at = random.int(text.length - 1);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}
