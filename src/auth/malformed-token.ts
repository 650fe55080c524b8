import { AuthError } from "./errors.js";

const SCHEME = /^bearer\s/i;

/** Whether a text is an `Authorization` header's whole value where the token alone belongs. */
export function keepsScheme(text: unknown): boolean {
  return typeof text === "string" && SCHEME.test(text);
}

/** The error of a text that can be no token; of one that keeps its scheme it says so. */
export function malformedToken(text: unknown): AuthError<"invalid_request"> {
  if (!keepsScheme(text)) return new AuthError("invalid_request");
  return new AuthError("invalid_request", { message: 'The token still has its scheme, "Bearer", before it.' });
}
