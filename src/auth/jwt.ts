import { hash } from "node:crypto";
import type { TokenFacts } from "./model.js";

/** What base64url of `{` begins with, and of the blanks that JSON allows before it. */
const MAY_BE_JOSE: ReadonlySet<string> = new Set([..."eICD"]);

const MAX_PARTS = 5;

/**
 * The parts of a JWT; `undefined` for an opaque token. A JWT has three parts (JWS) or five (JWE), and the first is base64url of a JSON
 * object with a text `alg` (RFC 7515 §4.1.1, RFC 7516 §4.1.1), read as leniently as any service might read it.
 */
function jwtParts(token: string): readonly string[] | undefined {
  if (!MAY_BE_JOSE.has(token.charAt(0))) return undefined; // an opaque token is not looked at once more
  const parts: string[] = [];
  let start = 0;
  for (let dot = token.indexOf("."); dot !== -1 && parts.length < MAX_PARTS; dot = token.indexOf(".", start)) {
    parts.push(token.slice(start, dot));
    start = dot + 1;
  }
  parts.push(token.slice(start));
  return (parts.length === 3 || parts.length === MAX_PARTS) && isJoseHeader(parts[0] as string) ? parts : undefined;
}

/** The tokens of one issuer begin alike: the first part of the last one is not read again. */
let latest = { part: "", isJose: false };

function isJoseHeader(part: string): boolean {
  if (part !== latest.part) latest = { part: copyOf(part), isJose: readsAsJose(part) };
  return latest.isJose;
}

/** Of its own: a piece of a token would keep all of it in memory. */
function copyOf(part: string): string {
  return Buffer.from(part, "latin1").toString("latin1");
}

function readsAsJose(part: string): boolean {
  try {
    const header: unknown = JSON.parse(decoded(part).toString("utf8"));
    return typeof (header as { alg?: unknown } | null)?.alg === "string" && !Array.isArray(header);
  } catch {
    return false;
  }
}

/** Node skips what is no base64url, and takes the other alphabet of base64. */
function decoded(part: string): Buffer {
  return Buffer.from(part, "base64url");
}

/**
 * Whether a token is a JWT in another spelling than the one that its issuer gave it: services that decode leniently take it for the same
 * token. Every part of a JWT must be canonical base64url: no padding, no other alphabet, unused bits zero (RFC 7515 §2, RFC 4648 §3.5).
 */
export function isMisspeltJwt(token: string): boolean {
  return jwtParts(token)?.every(isCanonical) === false;
}

const BASE64URL = /^[A-Za-z0-9\-_]*$/;
/** The last character of a part of 4n+2 characters has four unused bits, of one of 4n+3 two. */
const LAST_OF_2 = /[AQgw]$/;
const LAST_OF_3 = /[AEIMQUYcgkosw048]$/;

function isCanonical(part: string): boolean {
  if (!BASE64URL.test(part)) return false;
  switch (part.length % 4) {
    case 1:
      return false;
    case 2:
      return LAST_OF_2.test(part);
    case 3:
      return LAST_OF_3.test(part);
    default:
      return true;
  }
}

/** What a JWT says of itself, verified by nobody: only what has the type that RFC 7515 and RFC 7519 give it. */
export function claimsOf(token: string): TokenFacts {
  const parts = jwtParts(token);
  if (!parts) return {};
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

/** Of a digest in base64url: 72 bits. Two that collide make one of them be asked about once more. */
const MEANING_LENGTH = 12;

/**
 * A digest of what all spellings of a JWT have in common: the bytes of all its parts but the last, which is the signature (or the tag)
 * and may have several valid forms. `undefined` for an opaque token: there the spelling is the meaning.
 */
export function jwtMeaning(token: string): string | undefined {
  const parts = jwtParts(token);
  if (!parts) return undefined;
  const meant = parts.slice(0, -1);
  const text = meant.every(isCanonical)
    ? token.slice(0, token.lastIndexOf("."))
    : meant.map((part) => decoded(part).toString("base64url")).join(".");
  return hash("sha256", text, "base64url").slice(0, MEANING_LENGTH);
}
