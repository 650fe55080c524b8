import { capacity } from "./capacity.js";
import { coldGrpc } from "./cold-grpc.js";
import { flood } from "./flood.js";
import { hit } from "./hit.js";
import { hitHttp } from "./hit-http.js";
import type { Bench } from "./kit/bench.js";
import { koa } from "./koa.js";
import { memory } from "./memory.js";
import { outage } from "./outage.js";
import { replicas } from "./replicas.js";
import { restFallback } from "./rest-fallback.js";
import { revocation } from "./revocation.js";
import { sharedHit } from "./shared-hit.js";
import { stampede } from "./stampede.js";
import { start } from "./start.js";
import { telemetry } from "./telemetry.js";

/** All of them, in the order in which they are run and shown. */
export const benches: readonly Bench[] = [
  hitHttp,
  hit,
  koa,
  sharedHit,
  coldGrpc,
  telemetry,
  restFallback,
  stampede,
  outage,
  flood,
  replicas,
  revocation,
  memory,
  start,
  capacity,
];
