import { hash } from "node:crypto";
import { ownCopyOf } from "../runtime/own-copy.js";
import { expiryIn } from "./jwt-expiry.js";
import type { TokenFacts } from "./model.js";

/** What base64url of `{` begins with, and of the blanks that JSON allows before it. */
const MAY_BE_JOSE: ReadonlySet<string> = new Set([..."eICD"]);

const MAX_PARTS = 5;

/** The parts of a token, or one more than a JWT can have. */
function partsOf(token: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  for (let dot = token.indexOf("."); dot !== -1 && parts.length < MAX_PARTS; dot = token.indexOf(".", start)) {
    parts.push(token.slice(start, dot));
    start = dot + 1;
  }
  parts.push(token.slice(start));
  return parts;
}

/**
 * Whether it is a JWT: it has three parts (JWS) or, where its header has an `enc`, five (JWE), and the first is base64url of a JSON object
 * with a text `alg` (RFC 7515 §4.1.1, RFC 7516 §4.1.1 and §4.1.2), read as leniently as any service might read it.
 */
function isJwt(parts: readonly string[]): boolean {
  const [header] = parts as [string];
  if ((parts.length !== 3 && parts.length !== MAX_PARTS) || !mayBeJose(header)) return false;
  const { isJose, isEncrypted } = headerOf(header);
  return isJose && (parts.length === 3 || isEncrypted);
}

/** An opaque token is not looked at once more. */
function mayBeJose(token: string): boolean {
  return MAY_BE_JOSE.has(token.charAt(0));
}

/** The tokens of one issuer begin alike: the first part of the last one is not read again. */
let latest = { part: "", isJose: false, isEncrypted: false };

function headerOf(part: string): typeof latest {
  if (part !== latest.part) {
    const { alg, enc } = objectIn(part);
    const isJose = typeof alg === "string";
    latest = { part: ownCopyOf(part), isJose, isEncrypted: isJose && typeof enc === "string" };
  }
  return latest;
}

/** Node skips what is no base64url, and takes the other alphabet of base64. */
function decoded(part: string): Buffer {
  return Buffer.from(part, "base64url");
}

/**
 * Whether a token is a JWT in another spelling than the one that its issuer gave it: services that decode leniently take it for the same
 * token. Every part of a JWT must be canonical base64url: no padding, no other alphabet, unused bits zero (RFC 7515 §2, RFC 4648 §3.5).
 * There is no part more: some services drop what is empty at the end, or look at the first three alone.
 *
 * @param isBase64url whether it is known to have no other characters than base64url, and dots
 */
export function isMisspeltJwt(token: string, isBase64url: boolean): boolean {
  if (!mayBeJose(token)) return false;
  const parts = partsOf(token);
  if (parts.length < 3 || !headerOf(parts[0] as string).isJose) return false;
  return !isJwt(parts) || !(isBase64url && parts.every(hasCanonicalEnd));
}

/** Of a part of 4n+2 characters, the last has four unused bits, of one of 4n+3 two. */
const LAST_OF_2: ReadonlySet<string> = new Set([..."AQgw"]);
const LAST_OF_3: ReadonlySet<string> = new Set([..."AEIMQUYcgkosw048"]);

function hasCanonicalEnd(part: string): boolean {
  const last = part.charAt(part.length - 1);
  switch (part.length % 4) {
    case 1:
      return false;
    case 2:
      return LAST_OF_2.has(last);
    case 3:
      return LAST_OF_3.has(last);
    default:
      return true;
  }
}

/** What a JWT says of itself, verified by nobody: only what has the type that RFC 7515 and RFC 7519 give it. */
export function claimsOf(token: string): TokenFacts {
  const parts = partsOf(token);
  if (!isJwt(parts)) return {};
  const [header, payload] = [objectIn(parts[0]), parts.length === 3 ? objectIn(parts[1]) : {}]; // of a JWE the payload is encrypted
  const { kid } = header;
  const { iss, aud, exp } = payload;
  return Object.freeze({
    ...(typeof iss === "string" && { iss }),
    ...((typeof aud === "string" || isTexts(aud)) && { aud }),
    ...(typeof exp === "number" && { exp }),
    ...(typeof kid === "string" && { kid }),
  });
}

function objectIn(part = ""): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(decoded(part).toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** What a token says of itself. Nothing is verified. */
export interface JwtReading {
  /** Its own end, in milliseconds since the epoch: see {@link expiryIn}. */
  readonly hardExpiry: number | undefined;
  /**
   * SHA-256, in base64url, of what all spellings of a JWT have in common: the bytes of all its parts but the last, which is the signature
   * (or the tag) and may have several valid forms. `undefined` for an opaque token: there the spelling is the meaning.
   */
  readonly meaning: string | undefined;
}

const OPAQUE: JwtReading = { hardExpiry: undefined, meaning: undefined };

/** Reads the end and the meaning of a token. Each part is decoded once: that costs more than all else. */
export function readJwt(token: string): JwtReading {
  const parts = partsOf(token);
  if (parts.length !== 3 && parts.length !== MAX_PARTS) return OPAQUE;
  const meant = parts.slice(0, -1).map(decoded);
  return {
    hardExpiry: parts.length === 3 ? expiryIn(meant[1] as Buffer) : undefined,
    meaning: isJwt(parts) ? digestOf(meant) : undefined,
  };
}

/** No two lists of parts have the same: each goes in with its length. */
function digestOf(parts: readonly Buffer[]): string {
  const lengths = Buffer.from(`${parts.map(({ length }) => length)};`);
  return hash("sha256", Buffer.concat([lengths, ...parts]), "base64url");
}
