/**
 * A token's own end: the `exp` of a JWT's payload (RFC 7519 §4.1.4), in milliseconds since the epoch. Nothing is verified.
 * An opaque token has no end that can be read, nor has a JWT with an `exp` that is no finite number.
 */
export function jwtExpiry(token: string): number | undefined {
  const start = token.indexOf(".") + 1;
  const end = token.indexOf(".", start);
  if (end <= start || token.includes(".", end + 1)) return undefined;
  // As single bytes: the key and its number are ASCII, in UTF-8 too.
  const payload = Buffer.from(token.slice(start, end), "base64url").toString("latin1");
  const exp = isPlain(payload) ? plainExp(payload) : parsedExp(payload);
  return typeof exp === "number" && Number.isFinite(exp) ? exp * 1000 : undefined;
}

/** Whether a payload is one flat object with nothing escaped, as almost all are: there `"exp":` can only be that key. */
function isPlain(payload: string): boolean {
  return payload.lastIndexOf("{") === 0 && !payload.includes("\\");
}

/** The same as {@link parsedExp}, without parsing the rest of the payload. */
function plainExp(payload: string): unknown {
  const at = payload.lastIndexOf('"exp"');
  if (at === -1) return undefined;
  const seconds = /^"exp":(0|[1-9]\d{0,11})[,}]/.exec(payload.slice(at, at + 20))?.[1];
  return seconds === undefined ? parsedExp(payload) : Number(seconds);
}

function parsedExp(payload: string): unknown {
  try {
    return (JSON.parse(payload) as { exp?: unknown }).exp;
  } catch {
    return undefined; // three parts, but no JWT
  }
}
