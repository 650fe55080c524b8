/** A token of a JWT's shape, without a real signature: the fake service knows tokens by their text. */
export function unsignedJwt(claims: Readonly<Record<string, unknown>>): string {
  return jwtOf(JSON.stringify(claims));
}

/** For payloads that `JSON.stringify` cannot write. */
export function jwtOf(payload: string): string {
  const encode = (text: string) => Buffer.from(text).toString("base64url");
  return `${encode('{"alg":"RS256","typ":"JWT"}')}.${encode(payload)}.${encode("signature")}`;
}
