/** Longest token that is looked at, in bytes. A JWT with 30 permissions and 20 locals has about 1.5 KB. */
export const MAX_TOKEN_BYTES = 8192;

/** One character and no repetition: nothing to go back over. */
const NOT_TOKEN68 = /[^A-Za-z0-9\-._~+/]/;
const EQUALS = 0x3d;

/**
 * Whether `text` is exactly one `token68` (RFC 7235 §2.1) of at most {@link MAX_TOKEN_BYTES}: letters, digits and `-._~+/`, then any
 * number of `=`. One pass.
 */
export function isToken(text: string): boolean {
  const { length } = text;
  if (length === 0 || length > MAX_TOKEN_BYTES) return false;
  let at = text.search(NOT_TOKEN68);
  if (at === -1) return true;
  if (at === 0) return false;
  while (at < length && text.charCodeAt(at) === EQUALS) at++;
  return at === length;
}
