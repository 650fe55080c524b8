/** For a middleware of `portero/koa` that was called as one of Express. */
export function noKoaContext(caller: string): TypeError {
  return new TypeError(`${caller} of "portero/koa" was given no Koa context: in Express, import it from "portero"`);
}

/** For a middleware of `portero` that was called as one of Koa. */
export function noExpressNext(caller: string): TypeError {
  return new TypeError(`${caller} of "portero" was given no (req, res, next): in Koa, import it from "portero/koa"`);
}

/** @throws TypeError where a function that makes a middleware was mounted as if it were one: it was called with a request */
export function assertNoRequest(maker: string, given: unknown, example = `${maker}()`): void {
  if (typeof given !== "object" || given === null) return;
  if ("rawHeaders" in given || ("req" in given && "res" in given))
    throw new TypeError(`${maker} is to be called: app.use(${example})`);
}
