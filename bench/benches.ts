import { hit } from "./hit.js";
import { hitHttp } from "./hit-http.js";
import type { Bench } from "./kit/bench.js";
import { koa } from "./koa.js";

/** All of them, in the order in which they are run and shown. */
export const benches: readonly Bench[] = [hitHttp, hit, koa];
