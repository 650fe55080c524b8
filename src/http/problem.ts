import { STATUS_CODES } from "node:http";
import type { AuthError } from "../auth/errors.js";

/** An error as an HTTP response. */
export interface Problem {
  /** HTTP status. */
  readonly status: number;
  /** Those of the error – the challenge or `Retry-After`, and `Cache-Control` –, the body's type and its length in bytes. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON: `{ type, title, status, code, detail }`. */
  readonly body: string;
}

/**
 * The response to an error: `application/problem+json` (RFC 9457) with its stable `code`. Nothing in it comes from the request's
 * credentials or from an upstream. It is what `requireAuth` and the guards answer, for the error handlers of other frameworks.
 *
 * @example
 * const { status, headers, body } = toProblem(error);
 * return new Response(body, { status, headers });
 */
export function toProblem(error: AuthError): Problem {
  const { status, code, message, headers } = error;
  const body = JSON.stringify({ type: "about:blank", title: STATUS_CODES[status], status, code, detail: message });
  return {
    status,
    headers: {
      ...headers,
      "Content-Type": "application/problem+json",
      "Content-Length": String(Buffer.byteLength(body)),
    },
    body,
  };
}
