/** A bearer challenge (RFC 6750 §3). */
export interface Challenge {
  readonly realm: string;
  readonly error?: "invalid_request" | "invalid_token" | "insufficient_scope" | undefined;
  /** Permissions that would be needed; one that is no scope token (RFC 6749 §3.3) is left out. */
  readonly scope?: readonly string[] | undefined;
  /** Where the metadata of the protected resource is found (RFC 9728 §5.1). */
  readonly resourceMetadata?: string | undefined;
}

/** The value of a `WWW-Authenticate` header: always one line of printable ASCII. */
export function encodeChallenge({ realm, error, scope = [], resourceMetadata }: Challenge): string {
  const parameters = [`realm=${quote(realm)}`];
  if (error) parameters.push(`error=${quote(error)}`);
  const tokens = scope.filter(isScopeToken);
  if (tokens.length > 0) parameters.push(`scope=${quote(tokens.join(" "))}`);
  if (resourceMetadata !== undefined) parameters.push(`resource_metadata=${quote(resourceMetadata)}`);
  return `Bearer ${parameters.join(", ")}`;
}

/** RFC 6749 §3.3. */
function isScopeToken(scope: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope);
}

/** A quoted-string (RFC 9110 §5.6.4); a character that cannot be printed becomes a question mark. */
function quote(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/gu, "?").replace(/["\\]/g, "\\$&")}"`;
}
