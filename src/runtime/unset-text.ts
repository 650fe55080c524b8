/** The words that a template writes where a variable is not set, or was no number. */
const UNSET = "(?:undefined|null|NaN)";
const ALONE = new RegExp(`^${UNSET}$`);
const BEHIND_SCHEME = new RegExp(`^\\S+\\s+(${UNSET})$`);
/** A scheme with nothing behind it. */
const BARE_SCHEME = /^(bearer|basic|token|apikey|dpop)$/i;
/** Names of headers that carry a credential. In others such a word may be meant, or do no harm. */
const CREDENTIAL = /(authorization|cookie|key|token|secret|password|signature)$/i;

/**
 * How a credential shows that a variable in it is not set: `"undefined" behind its scheme`, or `nothing` there; `undefined` where it does not.
 * Of any other text nothing is told: it is a secret.
 */
export function unsetIn(name: string, value: string): string | undefined {
  if (!CREDENTIAL.test(name)) return undefined;
  const text = value.trim();
  if (ALONE.test(text)) return JSON.stringify(text);
  const [, word] = BEHIND_SCHEME.exec(text) ?? [];
  if (word !== undefined) return `${JSON.stringify(word)} behind its scheme`;
  return /authorization$/i.test(name) && BARE_SCHEME.test(text) ? "nothing behind its scheme" : undefined;
}
