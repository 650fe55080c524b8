import { isPromise } from "../runtime/is-promise.js";

/** For a middleware of `portero/koa` that was called as one of Express. */
export function noKoaContext(caller: string): TypeError {
  return new TypeError(`${caller} of "portero/koa" was given no Koa context: in Express, import it from "portero"`);
}

/** For a middleware of `portero` that was called as one of Koa. */
export function noExpressNext(caller: string): TypeError {
  return new TypeError(`${caller} of "portero" was given no (req, res, next): in Koa, import it from "portero/koa"`);
}

/** The type of a value that a function of the application returned, in words; never the value: it may be a secret. */
export function typeOf(value: unknown): string {
  if (isPromise(value)) return "a Promise";
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  const tag = typeof value === "object" ? Object.prototype.toString.call(value).slice(8, -1) : typeof value;
  const name = /^\w{1,40}$/.test(tag) && tag !== "Object" ? tag : "object";
  return `${/^[aeio]/i.test(name) ? "an" : "a"} ${name}`;
}

/** @throws TypeError where a function that makes a middleware was mounted as if it were one: it was called with a request */
export function assertNoRequest(maker: string, given: unknown, example = `${maker}()`): void {
  if (typeof given !== "object" || given === null) return;
  if ("rawHeaders" in given || ("req" in given && "res" in given))
    throw new TypeError(`${maker} is to be called: app.use(${example})`);
}

/**
 * @param sourceIsOwn a source of the application's own may read any field of the request
 * @throws TypeError where no request was given, but something of one: its headers, or its token
 */
export function assertRequest(caller: string, given: unknown, sourceIsOwn = false): void {
  if (typeof given !== "object" || given === null) {
    const instead = typeof given === "string" ? "; a token alone goes to client.verifyToken(token)" : "";
    throw new TypeError(`${caller} takes the request, got ${typeOf(given)}${instead}`);
  }
  if ("headers" in given || "req" in given || "raw" in given) return;
  const isFetch = typeof (given as Partial<Headers>).getSetCookie === "function";
  if (isFetch || (!sourceIsOwn && Object.keys(given).some((name) => /^(authorization|cookie)$/i.test(name))))
    throw new TypeError(`${caller} takes the request, not its headers: pass req, or { headers }`);
}
