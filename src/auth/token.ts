import { hash } from "node:crypto";
import { isMisspeltJwt } from "./jwt.js";
import { isSendable } from "./sendable.js";

/** A bearer token of a request: checked once and hashed once, however often it is asked about. */
export class Token {
  readonly text: string;
  /** The `Authorization` header that it came in, whose end it is. */
  readonly header: string | undefined;
  /** Where `recent-tokens.ts` holds it. */
  generation = 0;
  #id: string | undefined;
  #checkedBy: TokenSyntax | undefined;
  #fits = false;

  constructor(text: string, header?: string) {
    this.text = text;
    this.header = header;
  }

  /** Its key in the process: nothing but its text decides it. */
  get id(): string {
    this.#id ??= tokenId(this.text);
    return this.#id;
  }

  /** Whether its text can be a token at all, by this syntax. */
  fits(syntax: TokenSyntax): boolean {
    if (this.#checkedBy !== syntax) {
      this.#checkedBy = syntax;
      this.#fits = typeof this.text === "string" && syntax(this.text);
    }
    return this.#fits;
  }
}

/** A token's id in the process cache: SHA-256 of all of it, since every JWT of one issuer begins alike. */
export function tokenId(text: string): string {
  return hash("sha256", text, "base64url");
}

/** Longest token that is looked at by default, in bytes. A JWT with 30 permissions and 20 locals has about 1.5 KB. */
export const MAX_TOKEN_BYTES = 8192;

/** Almost no token has others. One character and no repetition: the search never backtracks. */
const NOT_BASE64URL = /[^A-Za-z0-9\-_.]/;
/** What a `token68` may have besides. */
const TILDE = 0x7e;
const PLUS = 0x2b;
const EQUALS = 0x3d;

/** Whether a text can be a token at all. */
export type TokenSyntax = (text: string) => boolean;

/** Whether `text` is a `token68` of at most `maxBytes`, and a JWT only in its issuer's spelling. */
export function isToken(text: string, maxBytes: number = MAX_TOKEN_BYTES): boolean {
  const { length } = text;
  if (length === 0 || length > maxBytes) return false;
  const other = text.search(NOT_BASE64URL);
  return (other === -1 || isToken68(text, other)) && !isMisspeltJwt(text, other === -1);
}

/**
 * Whether `text` is exactly one `token68` (RFC 7235 §2.1): letters, digits and `-._~+/`, then any number of `=`. Each character is looked at
 * once.
 *
 * @param other the first character that base64url does not have
 */
function isToken68(text: string, other: number): boolean {
  const { length } = text;
  let at = other;
  while (at < length && isToken68Character(text.charCodeAt(at))) at++;
  if (at === 0) return false;
  while (at < length && text.charCodeAt(at) === EQUALS) at++;
  return at === length;
}

function isToken68Character(code: number): boolean {
  if (code === TILDE || code === PLUS || (code >= 0x2d && code <= 0x39)) return true; // also - . /
  return (code >= 0x41 && code <= 0x5a) || code === 0x5f || (code >= 0x61 && code <= 0x7a);
}

/**
 * The token syntax of one client: a `token68`, or a text that a pattern matches from its first character to its last. No pattern lets in
 * a text that could be two tokens, or end a header.
 */
export function createTokenSyntax(pattern: RegExp | undefined, maxBytes: number): TokenSyntax {
  if (!pattern) return maxBytes === MAX_TOKEN_BYTES ? isToken : (text) => isToken(text, maxBytes);
  // Its own copy: `g` and `y` would remember where the last token ended, `m` would match one line.
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gmy]/g, ""));
  return (text) => text.length <= maxBytes && isSendable(text) && whole.test(text);
}
