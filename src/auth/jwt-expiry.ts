/**
 * When a token ends by its own word: the `exp` of a JWT's payload (RFC 7519 §4.1.4), in milliseconds since the epoch. Nothing is
 * verified; an opaque token, or an `exp` that is no finite number, has no end that we can see.
 */
export function jwtExpiry(token: string): number | undefined {
  const parts = token.split(".", 4);
  const payload = parts[1];
  if (parts.length !== 3 || !payload) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { exp?: unknown };
    return typeof exp === "number" && Number.isFinite(exp) ? exp * 1000 : undefined;
  } catch {
    return undefined; // three parts, but no JWT
  }
}
