import type { DescMethod } from "@bufbuild/protobuf";
import { tlsCode } from "../runtime/tls-code.js";
import { isLookup } from "./operation.js";
import { isOurs, UpstreamError } from "./outcome.js";

const TOKEN_REFUSALS: readonly number[] = [401, 403, 400, 422];
const LOOKUP_REFUSALS: readonly number[] = [404, 400, 422];
const CREDENTIAL_REFUSALS: readonly number[] = [401, 403];
const BUSY: readonly number[] = [408, 429];
const UNREACHABLE: readonly number[] = [502, 503, 504];

/** Codes that tell of something else than HTTP, or of a request that could not be written. A body that ends early is the network's. */
const NOT_HTTP = /^(HPE_|ERR_INVALID_|ERR_UNESCAPED_|ERR_HTTP_(?!CONTENT_LENGTH_MISMATCH))/;

/** How a connection ends whose other end was closed while it was idle. "socket hang up" is an ECONNRESET, too. */
const CLOSED: readonly string[] = ["ECONNRESET", "EPIPE"];

/** Nothing (204, 205), and a part of an answer, which was not asked for (206): RFC 9110 §15.3. */
const NO_ANSWERS: readonly number[] = [204, 205, 206];

/** A longer `Retry-After` is cut to an hour: by then an outage is another one, and a date in a far year is a mistake. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Whether an answer can stand under this HTTP status: 201 is what many frameworks make of any POST. */
export function isAnswer(status: number): boolean {
  return status >= 200 && status < 300 && !NO_ANSWERS.includes(status);
}

/** What an HTTP status means under which no answer can stand. Redirects are broken: they are never followed, the token would travel. */
export function fromHttpStatus(
  method: DescMethod,
  status: number,
  retryAfter: string | undefined,
  now: () => number,
): UpstreamError {
  const detail = `HTTP ${status}`;
  const lookup = isLookup(method);
  if ((lookup ? LOOKUP_REFUSALS : TOKEN_REFUSALS).includes(status)) return new UpstreamError("rest", "refused", detail);
  if (BUSY.includes(status) || UNREACHABLE.includes(status)) {
    const failure = BUSY.includes(status) ? "busy" : "unreachable";
    return new UpstreamError("rest", failure, detail, { retryAfterMs: parseRetryAfter(retryAfter, now) });
  }
  return new UpstreamError("rest", "broken", detail, {
    credentialRefused: lookup && CREDENTIAL_REFUSALS.includes(status),
  });
}

/**
 * What a request that got no response means, from the code that Node or got put on the error.
 *
 * @param wasDead whether its connection had been kept and brought no byte. Then it is asked again: the contract makes POST /auth/verify
 *   idempotent, as GET is (RFC 9110 §9.2.2), so that it does no harm if the server had read it all the same
 */
export function fromNetworkError(error: unknown, wasDead = false): UpstreamError {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  const detail = tlsCode(error) ?? (typeof code === "string" ? code : typeof name === "string" ? name : "unknown");
  // Not HTTP at all, or a request that we could not even write: asking again would bring the same.
  if (NOT_HTTP.test(detail)) return new UpstreamError("rest", "broken", detail);
  return new UpstreamError("rest", "unreachable", detail, {
    timedOut: name === "TimeoutError",
    network: true,
    unprocessed: wasDead && CLOSED.includes(detail),
    ours: isOurs(detail),
  });
}

/** `Retry-After` in milliseconds from now: whole seconds or a date (RFC 9110 §10.2.3). At most {@link MAX_RETRY_AFTER_MS}. */
function parseRetryAfter(value: string | undefined, now: () => number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
