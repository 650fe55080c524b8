import { isMalformed, type Upstream } from "../../transport/outcome.js";
import { NO_TOKEN } from "../service-calls.js";
import type { Findings } from "./diagnosis.js";
import { type Answers, type Asked, nameOf, type Questions } from "./questions.js";
import type { Route } from "./routes.js";
import { type Failed, failedOf } from "./upstream-failures.js";

const VERIFY = nameOf("VerifyToken");

type Verified = Asked<Answers["VerifyToken"]>;

/** What one route says of no token, and of one. */
export interface VerifiedBy {
  readonly route: Route;
  readonly questions: Questions;
  readonly ofNone: Verified;
  /** `undefined` where there is no token. */
  readonly ofToken: Verified | undefined;
}

export async function verifyBy(route: Route, questions: Questions, token: string | undefined): Promise<VerifiedBy> {
  const [ofNone, ofToken] = await Promise.all([
    questions.verify(NO_TOKEN),
    token === undefined ? undefined : questions.verify(token),
  ]);
  return { route, questions, ofNone, ofToken };
}

/** The status of a route that refuses all it is asked as what cannot be read; `undefined`: one that does not. */
export function unreadBy({ ofNone, ofToken }: VerifiedBy): string | undefined {
  if (ofNone.outcome !== "refused" || !isMalformed(ofNone.code)) return undefined;
  const isAlike = ofToken === undefined || (ofToken.outcome === "refused" && ofToken.code === ofNone.code);
  return isAlike ? ofNone.code : undefined;
}

/** Tells of one route, and whether it can be asked more. */
export function tellOf(
  upstream: Upstream,
  { ofNone, ofToken }: VerifiedBy,
  asked: string,
  findings: Findings,
): boolean {
  const fail = (failed: Failed) => {
    findings[failed.status](VERIFY, failed.message, failed);
    return false;
  };
  if (ofNone.outcome === "failed") return fail(failedOf(upstream, "VerifyToken", asked, ofNone));
  if (ofNone.outcome === "answered" && ofNone.message.isActive) {
    const fix = "look at how it verifies: any text lets its sender in";
    findings.failed(VERIFY, `${asked} takes "${NO_TOKEN}" for a token, which none has issued`, { fix });
    return false;
  }
  const code = ofNone.outcome === "refused" ? ` (${ofNone.code})` : "";
  findings.ok(VERIFY, `${asked} refuses what is no token${code}`);
  return ofToken?.outcome === "failed" ? fail(failedOf(upstream, "VerifyToken", asked, ofToken)) : true;
}
