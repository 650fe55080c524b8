/** The words that a template writes where a variable is not set, or was no number; behind a scheme, or alone. */
const UNSET = /^(\S+\s+)?(undefined|null|NaN)$/;
/** A scheme with nothing behind it. */
const BARE_SCHEME = /^(bearer|basic|token|apikey|dpop)$/i;

/**
 * How a header shows that a variable in it is not set: `"undefined" behind its scheme`, or `nothing` there; `undefined` where it does not.
 * Of any other text nothing is told: it is a secret.
 */
export function unsetIn(name: string, value: string): string | undefined {
  const text = value.trim();
  const [, scheme, word] = UNSET.exec(text) ?? [];
  const isOrigin = name.toLowerCase() === "origin" && text === "null"; // RFC 6454 §7.1
  if (word !== undefined && !isOrigin) return `${JSON.stringify(word)}${scheme ? " behind its scheme" : ""}`;
  return /authorization$/i.test(name) && BARE_SCHEME.test(text) ? "nothing behind its scheme" : undefined;
}
