import { headerOf, type MaybeHeaded } from "./request.js";

/** As Express and Koa have it. */
interface MaybeParsed {
  readonly body?: unknown;
  readonly cookies?: unknown;
  /** Of Koa's context, whose own `body` is that of the answer. */
  readonly request?: MaybeParsed;
}

/** Whether a function of the application reads a body that the request has and nothing has parsed. */
export function readsUnparsedBody(read: unknown, request: unknown): boolean {
  const { body } = ((request as MaybeParsed).request ?? request) as MaybeParsed;
  if (body !== undefined || !/\bbody\b/.test(String(read))) return false;
  const headed = request as MaybeHeaded;
  return Number(headerOf(headed, "content-length")) > 0 || headerOf(headed, "transfer-encoding") !== undefined;
}

/**
 * Calls a function of the application. Where it throws because there is no body, or are no cookies, to read, the error says so.
 *
 * @param caller what it was given to, in words
 */
export function readingParsed<R, T>(caller: string, read: (request: R) => T, request: R): T {
  try {
    return read(request);
  } catch (error) {
    const missing = (error as Error | null)?.name === "TypeError" ? missingParser(read, request) : undefined;
    if (missing === undefined) throw error;
    throw new Error(`${caller} reads ${missing}`, { cause: error });
  }
}

function missingParser(read: unknown, request: unknown): string | undefined {
  if (readsUnparsedBody(read, request))
    return "the body, which nothing has parsed: mount a body parser before it, as app.use(express.json()) or Koa's bodyParser()";
  if ((request as MaybeParsed).cookies === undefined && /\bcookies\b/.test(String(read)))
    return 'cookies, which nothing has parsed: write cookieToken("session"), or mount cookie-parser before it';
  return undefined;
}
