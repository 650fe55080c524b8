import type { VerifiedToken } from "../../src/auth/model.js";
import type { Route, SimulatedProcess } from "./process.js";
import type { Request } from "./records.js";

/** One HTTP request on its way through the middleware. */
export interface Visit {
  readonly by: SimulatedProcess;
  readonly route: Route;
  readonly request: Request;
  readonly token: string | undefined;
  /** What its route parameter says. */
  readonly localId: string;
  /** Once it was let in. */
  auth?: VerifiedToken;
  /** What its guard asks. */
  lookup?: Request;
}
