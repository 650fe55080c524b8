import { raceAbort } from "../../runtime/abort.js";
import type { Clock } from "../../runtime/clock.js";
import { fitsTenantHeader } from "../../transport/rest-request.js";
import { shownUrls } from "../config/shown-url.js";
import type { GrpcConfig, RestConfig } from "../config/upstreams.js";
import { hintOf } from "../failure-hints.js";
import type { UserRef } from "../model.js";
import type { PipelineUpstream } from "../pipeline.js";
import { NO_TOKEN } from "../service-calls.js";
import { askedOf } from "../upstream-reports.js";
import { Findings, type Waits } from "./diagnosis.js";
import { type Answers, type Asked, LOOK_UPS, type LookUp, nameOf, Questions } from "./questions.js";
import { checkReach, type ReachOptions, takesTls } from "./reach-checks.js";
import type { Routes } from "./routes.js";
import { failedOf, NEEDED_BY } from "./upstream-failures.js";
import { tellOf, unreadBy, type VerifiedBy, verifyBy } from "./verify-checks.js";

const VERIFY = nameOf("VerifyToken");

/** What is known of an upstream before its look-ups. */
export interface Begun {
  /** Whether it can be asked anything at all. */
  readonly serves: boolean;
  /** What it says of the token; `undefined` where it was not asked. */
  readonly ofToken: Asked<Answers["VerifyToken"]> | undefined;
}

export interface UpstreamCheckOptions {
  readonly upstream: PipelineUpstream;
  readonly routes: Routes;
  readonly grpc: GrpcConfig | undefined;
  readonly rest: RestConfig | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  readonly waits: Waits;
}

/** Looks at one upstream: from the name of its host to its answers. */
export class UpstreamChecks {
  readonly findings: Findings;
  /** As it is called in sentences. */
  readonly title: string;
  readonly #options: UpstreamCheckOptions;
  /** Put to the route that has served. */
  #questions: Questions | undefined;
  /** The status that VerifyToken and, as far as is known, everything gets: no proof of an auth service. */
  #unread: string | undefined;

  constructor(options: UpstreamCheckOptions) {
    this.#options = options;
    const { upstream } = options.upstream;
    this.findings = new Findings(upstream);
    this.title = upstream === "grpc" ? "gRPC" : "REST";
  }

  /** Name, connection and TLS; then VerifyToken of no token, and of one. */
  async begin(token: string | undefined): Promise<Begun> {
    this.#lookAtBreaker();
    const reached = await checkReach(this.#reachOptions());
    if (reached?.length === 0) {
      this.findings.skipped(VERIFY, "not asked: nothing to be asked was reached");
      return { serves: false, ofToken: undefined };
    }
    const verified = await this.#verify(token, reached);
    const serving: VerifiedBy[] = [];
    for (const each of verified) if (await this.#tell(each)) serving.push(each);
    const best = serving.find(({ ofToken }) => ofToken?.outcome === "answered") ?? serving[0] ?? verified[0];
    this.#questions = best?.questions;
    for (const { route, ofToken } of serving) {
      if (ofToken?.outcome !== "refused" || best?.ofToken?.outcome !== "answered") continue;
      const fix = "is it the same auth service?";
      const says = `${route.shown} refuses the token, which others let in (${ofToken.code})`;
      this.findings.failed(VERIFY, says, { code: ofToken.code, fix });
    }
    return { serves: serving.length > 0, ofToken: best?.ofToken };
  }

  /** The look-ups, about a user that it has just named, or about none: then a refusal says little. */
  async lookUp(user: UserRef | undefined): Promise<Map<LookUp, Asked<Answers[LookUp]>>> {
    const questions = this.#questions;
    if (!questions) return new Map();
    const about = user ?? { userId: NO_TOKEN, organizationId: NO_TOKEN };
    const operations = LOOK_UPS.filter((operation) => this.#canAsk(operation, about));
    const asked = await this.#wait(
      "look-ups",
      Promise.all(operations.map((operation) => questions.lookUp(operation, about))),
    );
    const answers = new Map(operations.map((operation, at) => [operation, asked[at] as Asked<Answers[LookUp]>]));
    if (this.#unread !== undefined && this.#isAllUnread(this.#unread, asked)) return answers;
    const untold: LookUp[] = [];
    for (const [operation, answer] of answers) {
      if (answer.outcome === "failed") this.#failed(operation, answer);
      else if (answer.outcome === "answered") this.findings.ok(nameOf(operation), `${this.#asked(operation)} answers`);
      else if (user) this.#refused(operation, answer.code);
      else if (answer.code === "HTTP 404") untold.push(operation);
      else this.findings.ok(nameOf(operation), `${this.#asked(operation)} refuses an unknown id (${answer.code})`);
    }
    if (untold.length > 0) {
      this.findings.skipped("look_ups", `${untold.join(", ")}: HTTP 404, as an unknown id and a wrong path both get`, {
        fix: "give a user's token, and it can be told",
      });
    }
    return answers;
  }

  /** Of the client's own calls, which this one does not ask for. */
  #lookAtBreaker(): void {
    const { breaker, lastFailure } = this.#options.upstream;
    if (breaker.state === "closed") return;
    const wait = `${Math.ceil(breaker.retryAfterMs / 1000)} s`;
    this.findings.warning("breaker", `its breaker is ${breaker.state}: it was ${lastFailure()?.reason ?? "failing"}`, {
      fix: breaker.retryAfterMs > 0 ? `it is asked again in ${wait}, by itself` : undefined,
    });
  }

  #reachOptions(): ReachOptions {
    const { upstream, grpc, rest, waits, clock, signal } = this.#options;
    return { upstream: upstream.upstream, grpc, rest, findings: this.findings, waits, clock, signal };
  }

  /** By each route that was reached: the connection has told of the others. */
  async #verify(token: string | undefined, reached: readonly string[] | undefined): Promise<readonly VerifiedBy[]> {
    const { upstream, routes, clock, signal } = this.#options;
    const { timeoutMs } = upstream;
    const asked = routes.asked.filter(({ url }) => url === undefined || reached === undefined || reached.includes(url));
    if (routes.left > 0) this.findings.skipped(VERIFY, `not asked: ${routes.left} more of its URLs`);
    const verified = asked.map((route) =>
      verifyBy(route, new Questions({ transport: route.transport, timeoutMs, clock, signal }), token),
    );
    return this.#wait("VerifyToken", Promise.all(verified));
  }

  /** Tells of one route, and whether it serves. */
  async #tell(verified: VerifiedBy): Promise<boolean> {
    const { upstream, rest } = this.#options;
    const { shown } = verified.route;
    const asked = this.#asked("VerifyToken");
    const unread = upstream.upstream === "rest" ? unreadBy(verified) : undefined;
    if (unread !== undefined) {
      const isPlain = !rest?.agent && /^http:/i.test(rest?.url ?? "");
      if (isPlain && (await takesTls(rest?.url ?? "", this.#reachOptions()))) {
        const fix = "it takes TLS: write https:// in rest.url";
        this.findings.failed(VERIFY, `${asked} is refused as every question is (${unread})`, { code: unread, fix });
        return false;
      }
      this.#unread = unread;
      if (verified.ofToken) this.#isAllUnread(unread, []);
      return true; // the look-ups tell more
    }
    return tellOf(upstream.upstream, verified, shown === undefined ? asked : `${shown}: ${asked}`, this.findings);
  }

  /** Whether look-ups were refused as VerifyToken was. Tells of that, or that VerifyToken was refused alone. */
  #isAllUnread(code: string, asked: readonly Asked[]): boolean {
    this.#unread = undefined;
    if (asked.some((answer) => answer.outcome !== "refused" || answer.code !== code)) {
      this.findings.ok(VERIFY, `${this.#asked("VerifyToken")} refuses what is no token (${code})`);
      return false;
    }
    const fix = "if it wants TLS, write https:// in rest.url; is it the auth service's, and rest.paths as it has them?";
    // Where a token was given that is refused, nothing else was asked.
    const says =
      asked.length > 0
        ? `it refuses all that it is asked as what it cannot read (${code}), which any server may`
        : `it refuses the token as it refuses what is no token (${code})`;
    this.findings.warning(VERIFY, says, { code, fix: asked.length > 0 ? fix : `is the token good? If it is: ${fix}` });
    return true;
  }

  #canAsk(operation: LookUp, { organizationId }: UserRef): boolean {
    const { upstream } = this.#options;
    if (operation === "GetOrganization") {
      if (organizationId === "") this.findings.skipped(nameOf(operation), "not asked: the user has no organization");
      return organizationId !== "";
    }
    const fits = upstream.upstream === "grpc" || fitsTenantHeader(organizationId);
    if (!fits) this.findings.skipped(nameOf(operation), "not asked: the user's organization fits no header");
    return fits;
  }

  /** A refusal about a user that VerifyToken has just named. */
  #refused(operation: LookUp, code: string): void {
    const asked = this.#asked(operation);
    if (operation === "GetOrganization") {
      return this.findings.warning(nameOf(operation), `${asked} does not know the user's organization (${code})`, {
        code,
        fix: NEEDED_BY,
      });
    }
    const hint = hintOf(this.#options.upstream.upstream, { detail: code });
    const fix = hint ?? "it must know users by the user_id and the organization_id that VerifyToken names";
    this.findings.failed(nameOf(operation), `${asked} does not know the user of the token (${code})`, { code, fix });
  }

  #failed(operation: LookUp, answer: Extract<Asked, { outcome: "failed" }>): void {
    const failed = failedOf(this.#options.upstream.upstream, operation, this.#asked(operation), answer);
    this.findings[failed.status](nameOf(operation), failed.message, failed);
  }

  #asked(operation: keyof Answers): string {
    const { upstream, rest } = this.#options;
    return askedOf(upstream.upstream, operation, { urls: [], ...(rest && { paths: rest.paths }) });
  }

  #wait<T>(what: string, asked: Promise<T>): Promise<T> {
    const { upstream, waits, signal } = this.#options;
    const where = shownUrls(upstream.urls) ?? "the upstream";
    const bound = `${upstream.timeoutMs / 1000} s at most`;
    return waits.for(`the answer of ${where} to ${what} (${bound})`, raceAbort(asked, signal));
  }
}
