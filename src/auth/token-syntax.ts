/** Longest token that is looked at, in bytes. A JWT with 30 permissions and 20 locals has about 1.5 KB. */
export const MAX_TOKEN_BYTES = 8192;

const TOKEN68 = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-._~+/]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const EQUALS = 0x3d;

/**
 * Whether `text` from `start` on is exactly one `token68` (RFC 7235 §2.1) of at most {@link MAX_TOKEN_BYTES}: letters, digits and
 * `-._~+/`, then any number of `=`. One pass, no regular expression.
 */
export function isToken(text: string, start = 0): boolean {
  const { length } = text;
  if (length - start > MAX_TOKEN_BYTES) return false;
  let at = start;
  while (at < length && TOKEN68[text.charCodeAt(at)] === 1) at++;
  if (at === start) return false;
  while (at < length && text.charCodeAt(at) === EQUALS) at++;
  return at === length;
}
