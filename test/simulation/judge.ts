import { AuthError } from "../../src/auth/errors.js";
import type { Organization, VerifiedToken } from "../../src/auth/model.js";
import { whyNot } from "./answer-rules.js";
import type { Outcome } from "./fake-http.js";
import { couldNotTell } from "./outage-rules.js";
import type { Answer, AnswerBody, RefusalReason } from "./records.js";
import { whyNotRefused } from "./refusal-rules.js";
import { whyStoreSufficed } from "./store-rules.js";
import type { Use } from "./use.js";
import type { Visit } from "./visit.js";
import type { World } from "./world.js";

/** Here one user has a single place. */
const FEW_PLACES = 16;

/** Whether a verified token is what the service said of this very token, and may still be used. */
export function judgeVerified(world: World, use: Use, verified: VerifiedToken): void {
  const answer = world.archive.find(verified.user.email);
  const rule = answer ? (differs(answer.body, verified) ?? whyNot(answer, use)) : "no upstream said so";
  if (rule) complain(world, use, `was let in as ${verified.user.email} from ${verified.source}, but ${rule}`);
  const { user, locals } = verified;
  if (![verified, user, user.permissions, locals].every(Object.isFrozen))
    complain(world, use, "got what can be changed");
}

/** What became of a request, against what was known when it was answered. */
export function judgeVisit(world: World, visit: Visit, outcome: Outcome, authorization: string | undefined): void {
  const { by, request, lookup } = visit;
  const { status } = outcome;
  const code = status === 200 ? undefined : codeOf(outcome);
  const use: Use = { by, request: lookup ?? request, when: world.chronicle.moment() };
  if (status !== 200) {
    world.checkSecrecy(by.name, outcome.body + JSON.stringify(outcome.headers));
    const rule = whyNotAnsweredSo(outcome, code);
    if (rule) complain(world, use, rule);
  }
  if (visit.token === undefined) {
    const wanted =
      authorization === undefined ? (visit.route === "optional" ? undefined : "missing_token") : "invalid_request";
    if (code !== wanted) complain(world, use, `got ${status} ${code} for ${authorization}`);
    return;
  }
  if (visit.auth && (code === undefined || code === "insufficient_scope")) {
    if (!mayHavePassed(world, visit, use, code === undefined)) complain(world, use, `got ${status} from its guard`);
    return;
  }
  if (code === undefined) return complain(world, use, "passed without authentication");
  judgeCode(world, use, code);
}

/** What became of a call of the client itself. */
export function judgeCall(
  world: World,
  use: Use,
  result: { answer: unknown } | { error: unknown },
  signal: AbortSignal,
): void {
  const { chronicle } = world;
  if ("error" in result) {
    const { error } = result;
    chronicle.record(use.by.name, "answer", use.request.label, String(error));
    if (signal.aborted && error === signal.reason) return;
    if (!(error instanceof AuthError)) return complain(world, use, `failed with ${error}`);
    world.checkSecrecy(use.by.name, `${error.message} ${error.cause}`);
    return judgeCode(world, use, error.code);
  }
  const { answer } = result;
  chronicle.record(use.by.name, "answer", use.request.label);
  if (use.request.question.operation === "VerifyToken") {
    const verified = answer as VerifiedToken;
    return judgeVerified(world, { ...use, source: verified.source }, verified);
  }
  if (!Object.isFrozen(answer)) complain(world, use, "got what can be changed");
  const marked = world.archive.find(JSON.stringify(answer));
  const candidates = marked ? [marked] : world.archive.answersTo(use.request.question);
  const same = candidates.filter(({ body }) => !differsFromLookup(body, answer));
  if (same.length === 0) return complain(world, use, `got ${JSON.stringify(answer)}, which no upstream said`);
  const rules = same.map((candidate) => whyNot(candidate, use));
  if (rules.every((rule) => rule !== undefined)) complain(world, use, `got ${JSON.stringify(answer)}, but ${rules[0]}`);
}

function judgeCode(world: World, use: Use, code: string): void {
  switch (code) {
    case "invalid_token":
    case "inactive_user":
    case "lookup_refused": {
      use.by.journal.tellRefused(use.request.question, use.when.at);
      const rule = whyNotRefused(code as RefusalReason, use);
      if (rule) complain(world, use, `was refused (${code}), but ${rule}`);
      return;
    }
    case "auth_unavailable":
      if (world.mustServe && !use.by.journal.closed) complain(world, use, "was turned away, long after the last fault");
      if (!couldNotTell(use)) complain(world, use, "was turned away for an outage, but the service could be asked");
      return judgeStore(world, use);
    case "overloaded":
      // Of few places a known user has one: some requests of one at once are more than that, and the queue of some worlds.
      if (world.mustServe && world.settings.limit.maxConcurrent > FEW_PLACES)
        complain(world, use, "was turned away, long after the last fault");
      if (!use.by.isSaturated) complain(world, use, "was turned away, but there was room");
      return judgeStore(world, use);
    default:
      complain(world, use, `got ${code}`);
  }
}

function judgeStore(world: World, use: Use): void {
  const rule = whyStoreSufficed(world.archive.answersTo(use.request.question), use);
  if (rule) complain(world, use, `was turned away, ${rule}`);
}

/** Whether the guard could decide so. Guards do not say what they were told: some answer that may be used must explain it. */
function mayHavePassed(world: World, { route, auth, localId }: Visit, use: Use, passed: boolean): boolean {
  const explains = (allows: (answer: Answer) => boolean) =>
    world.archive
      .answersTo(use.request.question)
      .some((answer) => allows(answer) === passed && whyNot(answer, use) === undefined) ||
    (!passed && whyNotRefused("lookup_refused", use) === undefined);
  switch (route) {
    case "write":
      return auth!.user.permissions.includes("write") === passed;
    case "local":
      return auth!.locals.includes(localId) === passed;
    case "localFresh":
      return explains(({ body }) => body.kind === "list" && body.list.includes(localId));
    case "module":
      return explains(
        ({ body }) => body.kind === "organization" && body.isActive && body.modules.includes("inventory"),
      );
    default:
      return passed;
  }
}

const STATUS: Readonly<Record<string, number>> = {
  missing_token: 401,
  invalid_request: 400,
  invalid_token: 401,
  inactive_user: 401,
  insufficient_scope: 403,
  auth_unavailable: 503,
  overloaded: 503,
};

function whyNotAnsweredSo({ status, headers }: Outcome, code: string | undefined): string | undefined {
  if (code === undefined || STATUS[code] !== status) return `got ${status} with the code ${code}`;
  if (headers["Cache-Control"] !== "no-store") return `got ${status} without Cache-Control`;
  const hasChallenge = headers["WWW-Authenticate"] !== undefined;
  if (hasChallenge !== status < 500) return `got ${status} with WWW-Authenticate: ${headers["WWW-Authenticate"]}`;
  const retryAfter = headers["Retry-After"];
  const isGood = status === 503 ? /^[1-9]\d*$/.test(retryAfter ?? "") : retryAfter === undefined;
  return isGood ? undefined : `got ${status} with Retry-After: ${retryAfter}`;
}

function codeOf({ body }: Outcome): string | undefined {
  try {
    return (JSON.parse(body) as { code?: string }).code;
  } catch {
    return undefined;
  }
}

function differs(body: AnswerBody, { user, locals }: VerifiedToken): string | undefined {
  if (body.kind !== "user") return "that was about something else";
  const { userId, organizationId } = body.user;
  const is = JSON.stringify([user.id, user.organizationId, user.email, user.permissions, locals]);
  const said = JSON.stringify([userId, organizationId, body.email, body.permissions, body.locals]);
  return is === said ? undefined : `the service said ${said}`;
}

function differsFromLookup(body: AnswerBody, answer: unknown): boolean {
  if (body.kind === "list") return JSON.stringify(body.list) !== JSON.stringify(answer);
  if (body.kind !== "organization") return true;
  const { id, name, isActive, modules } = answer as Organization;
  return (
    JSON.stringify([id, name, isActive, modules]) !== JSON.stringify([body.id, body.name, body.isActive, body.modules])
  );
}

function complain(world: World, { by, request }: Use, rule: string): void {
  world.chronicle.violate(by.name, `${request.label} ${rule}`);
}
