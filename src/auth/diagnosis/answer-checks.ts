import { readJwt } from "../jwt.js";
import type { UserRef } from "../model.js";
import { Findings } from "./diagnosis.js";
import { differencesOf, plain } from "./differences.js";
import { type Answers, type Asked, LOOK_UPS, type LookUp, nameOf } from "./questions.js";
import type { Begun } from "./upstream-checks.js";

/** What one side has said. */
export interface Side {
  readonly title: string;
  readonly begun: Begun;
  /** Of the look-ups; `undefined` where there were none. */
  readonly looked: ReadonlyMap<LookUp, Asked<Answers[LookUp]>> | undefined;
}

const FIX = "callers get the one or the other, as the sides are up: let both read the same source";

/** The user of the token, as the first side has it that lets it in. */
export function userOf(begun: readonly Begun[]): UserRef | undefined {
  for (const { ofToken } of begun) {
    if (ofToken?.outcome === "answered") return refOf(ofToken.message);
  }
  return undefined;
}

function refOf({ userId, organizationId }: Answers["VerifyToken"]): UserRef {
  return { userId, organizationId };
}

/** What the sides say of the token, and whether it is the same. */
export function checkAnswers(
  token: string,
  sides: readonly Side[],
  user: UserRef | undefined,
  now: () => number,
): Findings {
  const findings = new Findings("answers");
  const told = sides.flatMap(({ title, begun: { ofToken } }) => (ofToken ? [{ title, ofToken }] : []));
  const refusals = told.flatMap(({ title, ofToken }) =>
    ofToken.outcome === "refused" ? [`${title} (${ofToken.code})`] : [],
  );
  if (!user) {
    if (refusals.length > 0) {
      findings.failed("token", `the token is refused by ${refusals.join(" and ")}`, {
        fix: fixFor(token, refusals, now),
      });
    } else findings.skipped("token", "no side could tell anything of the token");
    return findings;
  }
  const accepted = told.find(({ ofToken }) => ofToken.outcome === "answered")?.ofToken;
  if (accepted?.outcome === "answered") ofUser(accepted.message, findings);
  const [grpc, rest] = sides;
  if (!grpc || !rest) return findings;
  compare("VerifyToken", [grpc.begun.ofToken, rest.begun.ofToken], user, findings);
  for (const operation of LOOK_UPS) {
    compare(operation, [grpc.looked?.get(operation), rest.looked?.get(operation)], user, findings);
  }
  return findings;
}

function ofUser({ isActive, permissions, locals }: Answers["VerifyToken"], findings: Findings): void {
  const count = (list: readonly string[], one: string) => `${list.length} ${one}${list.length === 1 ? "" : "s"}`;
  if (isActive)
    findings.ok("token", `the token is good: ${count(permissions, "permission")}, ${count(locals, "local")}`);
  else findings.failed("token", "the token's user is not active", { fix: "take the token of another user" });
}

function compare<O extends keyof Answers>(
  operation: O,
  [grpc, rest]: readonly [Asked<Answers[O]> | undefined, Asked<Answers[O]> | undefined],
  user: UserRef,
  findings: Findings,
): void {
  if (!grpc || !rest || grpc.outcome === "failed" || rest.outcome === "failed") return;
  const differences = differencesOf(operation, { grpc, rest }, user.userId);
  if (differences.length === 0) findings.ok(nameOf(operation), `gRPC and REST say the same to ${operation}`);
  for (const difference of differences) findings.failed(nameOf(operation), difference, { fix: FIX });
}

function fixFor(token: string, refusals: readonly string[], now: () => number): string {
  const { hardExpiry } = readJwt(token);
  if (hardExpiry !== undefined && hardExpiry <= now()) {
    return `it ended ${plain(new Date(hardExpiry).toISOString())}: take a new one`;
  }
  if (refusals.some((refusal) => /InvalidArgument|HTTP (400|422)/.test(refusal)))
    return 'as malformed: does the service take what is sent, {"token"} over REST?';
  return "is it one of this auth service, and of this environment?";
}
