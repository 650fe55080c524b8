import { raceAbort } from "../../runtime/abort.js";
import type { Clock } from "../../runtime/clock.js";
import { fromNetworkError } from "../../transport/rest-outcome.js";
import { fitsTenantHeader } from "../../transport/rest-request.js";
import { shownUrls } from "../config/shown-url.js";
import type { GrpcConfig, RestConfig } from "../config/upstreams.js";
import { hintOf } from "../failure-hints.js";
import type { UserRef } from "../model.js";
import type { PipelineUpstream } from "../pipeline.js";
import { NO_TOKEN } from "../service-calls.js";
import { askedOf } from "../upstream-reports.js";
import { Findings, type Waits } from "./diagnosis.js";
import { checkPeers, type Host } from "./peer-checks.js";
import { type Answers, type Asked, type LookUp, Questions } from "./questions.js";

/** For a look-up of a name, and for a connection, in milliseconds. */
const CONNECT_MS = 1000;

const NEEDED_BY = "requireModule needs it, and nothing else";
/** Codes that the service gives, or a proxy before it. */
const OF_ITS_OWN =
  /^(HTTP (429|5\d\d)|Unavailable|Internal|Unknown|ResourceExhausted|DeadlineExceeded|Aborted|DataLoss)$/;

export const LOOK_UPS: readonly LookUp[] = ["GetUserPermissions", "GetUserLocals", "GetOrganization"];
const NAMES = {
  VerifyToken: "verify_token",
  GetUserPermissions: "user_permissions",
  GetUserLocals: "user_locals",
  GetOrganization: "organization",
} as const;

/** The name of an operation in the id of a check. */
export function nameOf(operation: keyof Answers): string {
  return NAMES[operation];
}

/** What is known of an upstream before its look-ups. */
export interface Begun {
  /** Whether it can be asked anything at all. */
  readonly serves: boolean;
  /** What it says of the token; `undefined` where it was not asked. */
  readonly ofToken: Asked<Answers["VerifyToken"]> | undefined;
}

export interface UpstreamCheckOptions {
  readonly upstream: PipelineUpstream;
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
  readonly #questions: Questions;

  constructor(options: UpstreamCheckOptions) {
    this.#options = options;
    const { upstream, clock, signal } = options;
    this.findings = new Findings(upstream.upstream);
    this.title = upstream.upstream === "grpc" ? "gRPC" : "REST";
    const { direct: transport, timeoutMs } = upstream;
    this.#questions = new Questions({ transport, timeoutMs, clock, signal });
  }

  /** Name, connection and TLS; then VerifyToken of no token, and of one. */
  async begin(token: string | undefined): Promise<Begun> {
    this.#lookAtBreaker();
    if (!(await this.#isReached())) {
      this.findings.skipped(NAMES.VerifyToken, "not asked: nothing to be asked was reached");
      return { serves: false, ofToken: undefined };
    }
    const [ofNone, ofToken] = await this.#wait("VerifyToken", [
      this.#questions.verify(NO_TOKEN),
      token === undefined ? undefined : this.#questions.verify(token),
    ]);
    const asked = this.#asked("VerifyToken");
    if (ofNone.outcome === "failed") this.#failed("VerifyToken", ofNone);
    else if (ofNone.outcome === "answered" && ofNone.message.isActive) {
      const fix = "look at how it verifies: any text lets its sender in";
      this.findings.failed(NAMES.VerifyToken, `${asked} takes "${NO_TOKEN}" for a token, which none has issued`, {
        fix,
      });
    } else {
      const code = ofNone.outcome === "refused" ? ` (${ofNone.code})` : "";
      this.findings.ok(NAMES.VerifyToken, `${asked} refuses what is no token${code}`);
    }
    if (ofToken?.outcome === "failed" && ofNone.outcome !== "failed") this.#failed("VerifyToken", ofToken);
    const hasFailed = this.findings.checks.some(
      ({ id, status }) => id.endsWith(NAMES.VerifyToken) && status === "failed",
    );
    return { serves: !hasFailed, ofToken };
  }

  /** The look-ups, about a user that it has just named, or about none: then a refusal says little. */
  async lookUp(user: UserRef | undefined): Promise<Map<LookUp, Asked<Answers[LookUp]>>> {
    const about = user ?? { userId: NO_TOKEN, organizationId: NO_TOKEN };
    const operations = LOOK_UPS.filter((operation) => this.#canAsk(operation, about));
    const asked = await this.#wait(
      "look-ups",
      operations.map((operation) => this.#questions.lookUp(operation, about)),
    );
    const answers = new Map(operations.map((operation, at) => [operation, asked[at] as Asked<Answers[LookUp]>]));
    const untold: LookUp[] = [];
    for (const [operation, answer] of answers) {
      if (answer.outcome === "failed") this.#failed(operation, answer);
      else if (answer.outcome === "answered") this.findings.ok(NAMES[operation], `${this.#asked(operation)} answers`);
      else if (user) this.#refused(operation, answer.code);
      else if (answer.code === "HTTP 404") untold.push(operation);
      else this.findings.ok(NAMES[operation], `${this.#asked(operation)} refuses an unknown id (${answer.code})`);
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

  async #isReached(): Promise<boolean> {
    const { upstream, grpc, rest, clock, signal, waits } = this.#options;
    const isGrpc = upstream.upstream === "grpc";
    const hosts = isGrpc ? (grpc?.urls ?? []) : rest?.agent ? [] : [rest?.url ?? ""];
    if (hosts.length === 0) {
      const what = isGrpc ? "a transport of its own" : "an agent of its own";
      this.findings.skipped("connection", `${what} makes the connections`);
      return true;
    }
    const groups = [true, false].map((secure) => ({
      secure,
      urls: hosts.filter((url) => /^https:/i.test(url) === secure),
    }));
    const reached = await Promise.all(
      groups.map(({ secure, urls }) =>
        checkPeers(urls.map(hostIn), {
          ...{ findings: this.findings, waits, clock, signal, timeoutMs: CONNECT_MS, secure },
          tls: isGrpc ? grpc?.tls : rest?.tls,
          protocols: [isGrpc ? "h2" : "http/1.1"],
          codeOf: (error) => fromNetworkError(error).detail,
          fixFor: (detail) => hintOf(upstream.upstream, { detail }),
        }),
      ),
    );
    return reached.some(({ length }) => length > 0);
  }

  #canAsk(operation: LookUp, { organizationId }: UserRef): boolean {
    const { upstream } = this.#options;
    if (operation === "GetOrganization") {
      if (organizationId === "") this.findings.skipped(NAMES[operation], "not asked: the user has no organization");
      return organizationId !== "";
    }
    const fits = upstream.upstream === "grpc" || fitsTenantHeader(organizationId);
    if (!fits) this.findings.skipped(NAMES[operation], "not asked: the user's organization fits no header");
    return fits;
  }

  /** A refusal about a user that VerifyToken has just named. */
  #refused(operation: LookUp, code: string): void {
    const asked = this.#asked(operation);
    if (operation === "GetOrganization") {
      return this.findings.warning(NAMES[operation], `${asked} does not know the user's organization (${code})`, {
        code,
        fix: NEEDED_BY,
      });
    }
    const hint = hintOf(this.#options.upstream.upstream, { detail: code });
    const fix = hint ?? "it must know users by the user_id and the organization_id that VerifyToken names";
    this.findings.failed(NAMES[operation], `${asked} does not know the user of the token (${code})`, { code, fix });
  }

  #failed(operation: keyof Answers, { error, says }: Extract<Asked, { outcome: "failed" }>): void {
    const { upstream } = this.#options;
    const itself =
      error && OF_ITS_OWN.test(error.detail) ? "it was reached, and failed by itself: look at its log" : undefined;
    const fix = error && (hintOf(upstream.upstream, error) ?? itself);
    const isLacking = operation === "GetOrganization" && error?.detail === "Unimplemented";
    const told = { code: error?.detail, fix: isLacking ? NEEDED_BY : fix };
    this.findings[isLacking ? "warning" : "failed"](NAMES[operation], `${this.#asked(operation)} is ${says}`, told);
  }

  #asked(operation: keyof Answers): string {
    const { upstream, rest } = this.#options;
    return askedOf(upstream.upstream, operation, { urls: [], ...(rest && { paths: rest.paths }) });
  }

  #wait<T extends readonly unknown[]>(what: string, asked: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
    const { upstream, waits, signal } = this.#options;
    const where = shownUrls(upstream.urls) ?? "the upstream";
    const bound = `${upstream.timeoutMs / 1000} s at most`;
    const all = Promise.all(asked) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>;
    return waits.for(`the answer of ${where} to ${what} (${bound})`, raceAbort(all, signal));
  }
}

function hostIn(url: string): Host {
  const { protocol, hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (protocol === "https:" ? 443 : 80)) };
}
