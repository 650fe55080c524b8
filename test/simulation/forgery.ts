import type { Random } from "./random.js";

/** A token that nobody issued, and that differs from a good one in as little as can be: who compares but a part of it takes it for that. */
export function forged(token: string, random: Random): string {
  const other = changed(token, random);
  // Not a JWT in another spelling: that is malformed, and no service is asked.
  const isCanonical = other.split(".").every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
  return isCanonical || !token.startsWith("eyJ") ? other : token.toUpperCase();
}

function changed(token: string, random: Random): string {
  const letters = [...token.matchAll(/[A-Za-z]/g)].map(({ index }) => index);
  const at = random.weighted({ anywhere: 1, end: 1 }) === "end" ? letters[letters.length - 1]! : random.pick(letters);
  const letter = token[at]!;
  const otherCase = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  const other = random.chance(0.5) ? otherCase : letter === "x" ? "y" : "x";
  return token.slice(0, at) + other + token.slice(at + 1);
}
