import { AuthError } from "../auth/errors.js";

/**
 * Anything that has headers: a request of Node, Express or Koa (its context too), a WebSocket upgrade, a Fetch `Request`, the event of
 * an API gateway.
 */
export interface RequestLike {
  /** Names are found in any case. */
  readonly headers: HeadersLike;
  /** As they stood on the wire, name and value in turn (Node). */
  readonly rawHeaders?: readonly string[];
  readonly method?: string | undefined;
  /** Node's request, where a framework's stands for it: Koa's context and request … */
  readonly req?: unknown;
  /** … and Fastify's. */
  readonly raw?: unknown;
}

/** A request whose headers may be missing, as an event's can be. */
export type MaybeHeaded = Omit<RequestLike, "headers"> & { readonly headers?: HeadersLike | null | undefined };

type HeaderRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

type HeadersLike = HeaderRecord | { get(name: string): string | null };

/**
 * A header's value; repeated ones are joined as Node or Fetch joins them. `name` is in lower case.
 *
 * @throws AuthError `invalid_request` where the value is neither text nor a list of texts
 */
export function headerOf(
  request: MaybeHeaded,
  name: string,
  rawHeaders: RawHeaders = rawHeadersOf(request),
): string | undefined {
  const value = (request.headers as HeaderRecord | null | undefined)?.[name];
  if (typeof value === "string" && rawHeaders) return value; // at once: Node writes names in lower case
  return joined(headerValues(request, name), name);
}

function joined(values: readonly string[], name: string): string | undefined {
  if (values.length < 2) return values[0];
  return values.join(name === "cookie" ? "; " : ", "); // RFC 9113 §8.2.3
}

/**
 * The values of a header in a plain object, its name in any case: own properties alone, each list's items one by one. The same under
 * another spelling of the name is no second value.
 */
function valuesOf(headers: HeaderRecord, name: string): readonly string[] {
  const values: string[] = [];
  for (const key of Object.keys(headers)) {
    if (key.length !== name.length || (key !== name && key.toLowerCase() !== name)) continue;
    const own = textsOf(headers[key]);
    if (!own.every((value) => values.includes(value))) values.push(...own);
  }
  return values;
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw new AuthError("invalid_request");
}

/** Node's request under a framework's: what the auth is attached to. */
export function nodeOf(request: Pick<MaybeHeaded, "rawHeaders" | "req" | "raw">): object {
  if (request.rawHeaders) return request;
  return [request.req, request.raw].find(isNode) ?? request;
}

function isNode(value: unknown): value is object {
  return typeof value === "object" && value !== null && "rawHeaders" in value;
}

type RawHeaders = readonly string[] | undefined;

/** One property after the other: Express on Node 20 makes each look at a request dear. */
export function rawHeadersOf(request: MaybeHeaded): RawHeaders {
  return (
    request.rawHeaders ??
    (request.req as RequestLike | undefined)?.rawHeaders ??
    (request.raw as RequestLike | undefined)?.rawHeaders
  );
}

/** Every line of a header, as it stood on the wire. */
export function headerLines(request: MaybeHeaded, name: string): readonly string[] {
  const rawHeaders = rawHeadersOf(request);
  if (!rawHeaders) return headerValues(request, name);
  const lines: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.length === name.length && rawHeaders[at]?.toLowerCase() === name)
      lines.push(rawHeaders[at + 1] ?? "");
  }
  return lines;
}

/**
 * Every reading of a header: each line of the wire, and the value in `headers`, unless that is those lines, joined. The application may
 * have put another value there, and a handler reads that one; where it has taken the header away, there is none.
 */
export function readingsOf(request: MaybeHeaded, name: string): readonly string[] {
  const lines = headerLines(request, name);
  const values = headerValues(request, name);
  if (values.length === 0) return values;
  return [...lines, ...values.filter((value) => !lines.includes(value) && value !== joined(lines, name))];
}

/** The values in `headers`. */
function headerValues(request: MaybeHeaded, name: string): readonly string[] {
  const { headers } = request;
  if (headers === null || headers === undefined) return [];
  if (typeof headers.get !== "function") return valuesOf(headers as HeaderRecord, name);
  const value = headers.get(name);
  return typeof value === "string" ? [value] : [];
}

/** Whether a header came on more than one line. Node keeps only the first `Authorization`: a proxy may have looked at another. */
export function isRepeated(
  request: MaybeHeaded,
  name: string,
  rawHeaders: RawHeaders = rawHeadersOf(request),
): boolean {
  if (!rawHeaders) return headerValues(request, name).length > 1; // Fetch joins them, and the comma is no part of a token
  let seen = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at] as string;
    if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue;
    if (seen) return true;
    seen = true;
  }
  return false;
}
