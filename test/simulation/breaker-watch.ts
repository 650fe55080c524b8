import type { AuthClient } from "../../src/auth/auth-client.js";
import type { Upstream } from "../../src/transport/outcome.js";
import { BreakerModel, type Ticket, type Transition } from "./breaker-model.js";
import type { Chronicle } from "./chronicle.js";
import { isKnown, type Round, type Try, type TryResult } from "./records.js";
import { budgets, HAIR_MS, type Settings } from "./settings.js";
import type { VirtualClock } from "./virtual-clock.js";

/** A try that was given this share of its timeout had its fair chance: the way to its start eats a little. */
const FAIR_SHARE = 0.9;

/** Holds the breakers of one client against what the specification makes of the calls that were seen. */
export class BreakerWatch {
  readonly models: Partial<Record<Upstream, BreakerModel>>;
  readonly #name: string;
  readonly #chronicle: Chronicle;
  readonly #clock: VirtualClock;
  readonly #timeouts: Partial<Record<Upstream, number | undefined>>;
  readonly #tickets = new Map<Try, Ticket>();
  /** Broken answers of gRPC in this turn, to which REST has not been heard. */
  readonly #unheard = new Set<Try>();
  readonly #told: Record<Upstream, Transition[]> = { grpc: [], rest: [] };
  #isDirty = true;

  constructor(name: string, settings: Settings, chronicle: Chronicle, clock: VirtualClock) {
    const { grpcMs, restMs } = budgets(settings);
    this.#name = name;
    this.#chronicle = chronicle;
    this.#clock = clock;
    this.#timeouts = { grpc: grpcMs, rest: restMs };
    this.models = {
      ...(grpcMs !== undefined && { grpc: new BreakerModel(settings.breaker) }),
      ...(restMs !== undefined && { rest: new BreakerModel(settings.breaker) }),
    };
  }

  listen(client: AuthClient): void {
    client.on("breaker", ({ upstream, from, to }) => {
      this.#chronicle.record(this.#name, "breaker", upstream, from, to);
      this.#told[upstream].push({ from, to, at: this.#clock.monotonic });
      this.#isDirty = true;
    });
  }

  get now(): number {
    return this.#clock.monotonic;
  }

  /** Whether every upstream would turn a call away now. */
  refusesAll(known: boolean): boolean {
    return Object.values(this.models).every((model) => !model.admits(this.#clock.monotonic, known));
  }

  /** Whether a call of gRPC would be a probe now, and REST can answer in the meantime. */
  wouldProbeBesideRest(known: boolean): boolean {
    const { grpc, rest } = this.models;
    return grpc?.state(this.now) === "half-open" && rest?.admits(this.now, known) === true;
  }

  began(attempt: Try): void {
    const model = this.models[attempt.upstream];
    const now = this.#clock.monotonic;
    this.#isDirty = true;
    if (!model) return this.#chronicle.violate(this.#name, `${attempt.upstream} is not configured, and was called`);
    const known = attempt.ask.isOfKnownUser();
    if (!model.admits(now, known) && attempt.upstream === "grpc") this.endOfTurn();
    if (!model.admits(now, known)) {
      const state = model.state(now);
      this.#chronicle.violate(this.#name, `${attempt.upstream} was called though its breaker is ${state}`);
    }
    this.#tickets.set(attempt, model.admit(now, known));
    const { grpc } = attempt.ask.rounds[attempt.ask.rounds.length - 1]!;
    if (attempt.upstream === "rest" && grpc) this.#unheard.delete(grpc);
  }

  /** What was not processed was not counted: one that takes its place goes on under its leave. */
  replaced(lost: Try, attempt: Try): void {
    const ticket = this.#tickets.get(lost);
    if (!ticket) return;
    this.#tickets.delete(lost);
    this.#tickets.set(attempt, ticket);
  }

  ended(attempt: Try, result: TryResult, round: Round): void {
    this.#isDirty = true;
    switch (result.kind) {
      case "answer":
        this.#tell(attempt, "succeed");
        break;
      case "refused":
        // That a user is not active is said in an answer.
        this.#tell(attempt, result.reason === "inactive_user" || attempt.ask.isOfKnownUser() ? "succeed" : "showsLife");
        break;
      case "abandoned":
      case "busy":
        this.#tell(attempt, "saysNothing");
        break;
      case "unreachable":
        if (result.network) this.#tell(attempt, "fall");
        else this.#tell(attempt, result.timedOut && !this.#wasFair(attempt) ? "saysNothing" : "fail");
        break;
      case "broken":
        if (result.healthy) this.#tell(attempt, "showsLife");
        else if (attempt.upstream === "rest" || !this.models.rest) this.#tell(attempt, "saysNothing");
        else if (!round.rest) this.#unheard.add(attempt);
        else if (round.rest.ended) this.#tell(attempt, isKnown(round.rest.result) ? "fail" : "saysNothing");
    }
    const { grpc } = round;
    if (attempt.upstream === "rest" && grpc?.result?.kind === "broken" && this.#tickets.has(grpc)) {
      this.#tell(grpc, isKnown(result) ? "fail" : "saysNothing");
    }
  }

  /** What REST was not asked about in the same turn, it does not contradict. */
  endOfTurn(): void {
    for (const attempt of this.#unheard) this.#tell(attempt, "saysNothing");
    this.#unheard.clear();
  }

  /** Whether the transitions that the client has told are those of the specification. */
  checkEvents(): void {
    this.endOfTurn();
    if (!this.#isDirty) return;
    this.#isDirty = false;
    for (const [upstream, { transitions }] of Object.entries(this.models) as [Upstream, BreakerModel][]) {
      const told = this.#told[upstream];
      const same = transitions.every(
        ({ from, to, at }, index) => told[index]?.from === from && told[index]?.to === to && told[index]?.at === at,
      );
      if (same && told.length === transitions.length) continue;
      const [is, wanted] = [told, transitions].map((list) => list.slice(-3).map(({ from, to }) => `${from} → ${to}`));
      this.#chronicle.violate(this.#name, `the breaker of ${upstream} went ${is}, and should have gone ${wanted}`);
    }
  }

  /** Whether the client's breakers are in the state that the specification has them in. */
  checkState(client: AuthClient): void {
    const status = client.status();
    const now = this.#clock.monotonic;
    for (const [upstream, model] of Object.entries(this.models) as [Upstream, BreakerModel][]) {
      const is = status[upstream];
      const found = `${is?.breaker} ${is?.failures} ${is?.retryAfterMs}`;
      const wanted = `${model.state(now)} ${model.failures(now)} ${Math.ceil(model.retryAfterMs(now))}`;
      if (found !== wanted) {
        this.#chronicle.violate(this.#name, `the breaker of ${upstream} is ${found}, and should be ${wanted}`);
      }
    }
  }

  #tell(attempt: Try, verdict: "succeed" | "showsLife" | "fail" | "fall" | "saysNothing"): void {
    const ticket = this.#tickets.get(attempt);
    if (!ticket) return;
    this.#tickets.delete(attempt);
    this.models[attempt.upstream]?.[verdict](ticket, this.#clock.monotonic);
  }

  /** Both tries share the time of one. */
  #wasFair({ upstream, timeoutMs, replaces }: Try): boolean {
    return (replaces?.timeoutMs ?? timeoutMs) >= (this.#timeouts[upstream] ?? 0) * FAIR_SHARE - HAIR_MS;
  }
}
