/** Anything that has headers: a request of Node, Express or Koa (its context too), a WebSocket upgrade, a Fetch `Request`. */
export interface RequestLike {
  readonly headers: HeadersLike;
  /** As they stood on the wire, name and value in turn (Node). */
  readonly rawHeaders?: readonly string[];
  readonly method?: string | undefined;
  /** Node's request, where a framework's stands for it: Koa's context and request … */
  readonly req?: unknown;
  /** … and Fastify's. */
  readonly raw?: unknown;
}

type HeadersLike =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null };

/** A header's value; repeated ones are joined as Node or Fetch joins them. */
export function headerOf({ headers }: RequestLike, name: string): string | undefined {
  // A header called "get" is a string: a function is the method of `Headers`.
  if (typeof headers.get === "function") return headers.get(name) ?? undefined;
  const value = (headers as Readonly<Record<string, string | readonly string[] | undefined>>)[name];
  return typeof value === "object" ? value.join(", ") : value;
}

function rawHeadersOf({ rawHeaders, req, raw }: RequestLike): readonly string[] | undefined {
  return rawHeaders ?? (req as RequestLike | undefined)?.rawHeaders ?? (raw as RequestLike | undefined)?.rawHeaders;
}

/** Every line of a header, as it stood on the wire. */
export function headerLines(request: RequestLike, name: string): readonly string[] {
  const rawHeaders = rawHeadersOf(request);
  if (!rawHeaders) {
    const value = headerOf(request, name);
    return value === undefined ? [] : [value];
  }
  const lines: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.length === name.length && rawHeaders[at]?.toLowerCase() === name)
      lines.push(rawHeaders[at + 1] ?? "");
  }
  return lines;
}

/** Whether a header came on more than one line. Node keeps only the first `Authorization`: a proxy may have looked at another. */
export function isRepeated(request: RequestLike, name: string): boolean {
  const rawHeaders = rawHeadersOf(request);
  if (!rawHeaders) return false; // Fetch joins them, and the comma is no part of a token
  let seen = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at] as string;
    if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue;
    if (seen) return true;
    seen = true;
  }
  return false;
}
