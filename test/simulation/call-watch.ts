import type { ContextValues } from "@connectrpc/connect";
import { isKnown } from "../../src/transport/call-context.js";
import type { Upstream } from "../../src/transport/outcome.js";
import { type Archive, markOf } from "./archive.js";
import type { BreakerWatch } from "./breaker-watch.js";
import type { Chronicle } from "./chronicle.js";
import { FlightRules } from "./flight-rules.js";
import type { Journal } from "./journal.js";
import { MassRefusals } from "./mass-refusals.js";
import { type Ask, isVerdict, type Round, type Try, type TryResult, triesOf } from "./records.js";
import { cut } from "./reply.js";
import { FEW_PLACES, RetryRules } from "./retry-rules.js";
import { budgets, HAIR_MS, type Settings } from "./settings.js";
import type { CallObserver } from "./upstream.js";

/** No try starts with less time than this, in milliseconds. */
export const LEAST_MS = 20;

export const OWN_CREDENTIAL = { name: "x-service", value: "ours" };

interface Surroundings {
  readonly settings: Settings;
  readonly chronicle: Chronicle;
  readonly archive: Archive;
  /** Of all processes. */
  readonly everyJournal: () => readonly Journal[];
  /** Why a question need not have been asked, if so. */
  readonly whyNeedless: (ask: Ask) => string | undefined;
}

/** Holds every call that leaves a client against the specification: when it may be made, in which order, and with how much time. */
export class CallWatch implements CallObserver {
  readonly #name: string;
  readonly #settings: Settings;
  readonly #budgets: ReturnType<typeof budgets>;
  readonly #chronicle: Chronicle;
  readonly #archive: Archive;
  readonly #journal: Journal;
  readonly #breakers: BreakerWatch;
  readonly #flights: FlightRules;
  readonly #retries: RetryRules;
  readonly #refusals = new MassRefusals();
  readonly #whyNeedless: Surroundings["whyNeedless"];
  readonly #asks = new WeakMap<ContextValues, Ask>();
  /** Probes of gRPC that began in this turn, while REST could be asked. */
  readonly #probes = new Map<Try, Round>();
  /** Asks with a call under way, and without a verdict: each of them takes a place. */
  readonly #aloft = new Map<Ask, number>();
  /** What was not processed in this turn. */
  readonly #lost = new Map<Ask, Partial<Record<Upstream, Try>>>();
  /** Asks that began while others had all the places that a limit may have fallen to, or soon after. */
  readonly #fromCrowds = new WeakSet<Ask>();
  #crowdedAt = Number.NEGATIVE_INFINITY;
  #calls = 0;

  constructor(name: string, around: Surroundings, journal: Journal, breakers: BreakerWatch) {
    const { settings, chronicle } = around;
    this.#name = name;
    this.#settings = settings;
    this.#budgets = budgets(settings);
    this.#chronicle = chronicle;
    this.#archive = around.archive;
    this.#whyNeedless = around.whyNeedless;
    this.#journal = journal;
    this.#breakers = breakers;
    const violate = (rule: string) => chronicle.violate(name, rule);
    this.#flights = new FlightRules(settings, { journal, everyJournal: around.everyJournal }, violate);
    const mayHaveWaited = (ask: Ask) => journal.freshRequests.has(ask.question) || this.#fromCrowds.has(ask);
    this.#retries = new RetryRules(
      settings,
      { isHopeless: (known) => breakers.refusesAll(known), mayHaveWaited },
      violate,
    );
  }

  get calls(): number {
    return this.#calls;
  }

  began({ upstream, question, timeoutMs, header, context }: Parameters<CallObserver["began"]>[0]): Try {
    const began = this.#chronicle.moment();
    this.#calls++;
    const known = context && this.#asks.get(context);
    const isOfKnownUser = () => isKnown(context);
    const ask: Ask = known ?? { question, began, rounds: [], isOfKnownUser };
    const replaces = this.#lost.get(ask)?.[upstream];
    const attempt: Try = {
      ask,
      upstream,
      timeoutMs: timeoutMs ?? Number.POSITIVE_INFINITY,
      began,
      ...(replaces && { replaces }),
    };
    this.#chronicle.record(this.#name, "call", upstream, labelOf(ask), `${timeoutMs} ms`);
    if (replaces) return this.#replaced(replaces, attempt, header);
    if (known) {
      if (ask.verdict) this.#violate(`${upstream} was asked again, though there was a verdict`);
    } else {
      if (context) this.#asks.set(context, ask);
      this.#flights.departed(ask);
      if (began.at - this.#crowdedAt <= this.#budgets.deadlineMs) this.#fromCrowds.add(ask);
      const needless = this.#whyNeedless(ask);
      if (needless) this.#violate(`${labelOf(ask)}: ${needless}`);
      this.#journal.addAsk(ask);
    }
    const round = this.#roundOf(attempt);
    this.#checkOrder(attempt, round);
    round[upstream] = attempt;
    this.#checkTime(attempt);
    this.#checkCredential(header);
    if (this.#journal.closed) this.#violate(`${upstream} was called after close()`);
    if (upstream === "grpc" && this.#breakers.wouldProbeBesideRest(ask.isOfKnownUser()))
      this.#probes.set(attempt, round);
    this.#breakers.began(attempt);
    this.#takePlace(attempt);
    return attempt;
  }

  #takePlace({ ask, began }: Try): void {
    // A probe beside REST that goes on when that has answered takes no place.
    if (!ask.verdict) this.#aloft.set(ask, (this.#aloft.get(ask) ?? 0) + 1);
    if (this.#aloft.size >= FEW_PLACES) this.#crowdedAt = began.at;
    if (this.#aloft.size > this.#settings.limit.maxConcurrent) {
      this.#violate(`${this.#aloft.size} questions are asked at once`);
    }
  }

  /** What was not processed is asked again, within the same turn. */
  #replaced(lost: Try, attempt: Try, header: Headers): Try {
    const { ask, upstream } = attempt;
    delete this.#lost.get(ask)?.[upstream];
    ask.rounds.find((round) => round[upstream] === lost)![upstream] = attempt;
    this.#checkTime(attempt);
    this.#checkCredential(header);
    if (attempt.timeoutMs > lost.timeoutMs) this.#violate(`${upstream} was given more time for what it had lost`);
    this.#breakers.replaced(lost, attempt);
    this.#takePlace(attempt);
    return attempt;
  }

  ended(attempt: Try, outcome: TryResult): void {
    const { ask, upstream } = attempt;
    const result = outcome.kind === "unprocessed" && attempt.replaces ? cut : outcome;
    attempt.ended = this.#chronicle.moment();
    attempt.result = result;
    this.#chronicle.record(this.#name, "end", upstream, labelOf(ask), result.kind, detailOf(result));
    if (result.kind === "answer") this.#archive.add(result.answer);
    const round = ask.rounds.find((candidate) => candidate[upstream] === attempt)!;
    const live = this.#aloft.get(ask);
    if (live !== undefined) {
      if (live === 1) this.#aloft.delete(ask);
      else this.#aloft.set(ask, live - 1);
    }
    if (result.kind === "unprocessed") {
      this.#lost.set(ask, { ...this.#lost.get(ask), [upstream]: attempt });
      return;
    }
    if (isVerdict(result) && !ask.verdict) {
      ask.verdict = attempt as NonNullable<Ask["verdict"]>;
      this.#refusals.ended(ask, upstream, result);
      this.#aloft.delete(ask);
      const isRefusal = result.kind === "refused" && result.reason !== "inactive_user";
      if (!isRefusal || ask.isOfKnownUser()) this.#retries.succeeded();
      const mark = result.kind === "answer" ? markOf(result.answer) : undefined;
      if (mark) this.#journal.arrivals.set(mark, attempt.ended.at);
    }
    this.#breakers.ended(attempt, result, round);
    this.#retries.ended(ask, round);
  }

  /** To be called when everything that follows from one event has happened. */
  endOfTurn(): void {
    for (const { rest } of this.#probes.values())
      if (!rest) this.#violate("the caller of a probe was made to wait for it");
    this.#probes.clear();
    for (const lost of this.#lost.values()) {
      for (const attempt of Object.values(lost)) this.#giveUp(attempt);
    }
    this.#lost.clear();
    this.#breakers.endOfTurn();
    this.#retries.endOfTurn();
  }

  /** Where no time is left, what was not processed is not asked again, and counts as what the network ended. */
  #giveUp(attempt: Try): void {
    const { ask, upstream, timeoutMs, began, ended } = attempt;
    if (timeoutMs - (ended!.at - began.at) >= LEAST_MS)
      this.#violate(`${upstream} lost a call that it did not process`);
    const round = ask.rounds.find((candidate) => candidate[upstream] === attempt)!;
    attempt.result = cut;
    this.#breakers.ended(attempt, cut, round);
    this.#retries.ended(ask, round);
  }

  /** The round that a try belongs to: REST follows gRPC within the same turn, or runs beside its probe. */
  #roundOf({ ask: { rounds, began }, ask, upstream, began: now }: Try): Round {
    const last = rounds[rounds.length - 1];
    const follows = last?.grpc && (!last.grpc.ended || last.grpc.ended.turn === now.turn);
    if (last && upstream === "rest" && !last.rest && follows) return last;
    const round: Round = {};
    if (last) this.#retries.repeated(ask, now.at);
    else if (began.order !== now.order) this.#violate("an ask without a first round");
    rounds.push(round);
    return round;
  }

  #checkOrder({ ask, upstream, timeoutMs, began }: Try, { grpc }: Round): void {
    if (upstream === "grpc" || this.#budgets.grpcMs === undefined) return;
    if (grpc) {
      if (grpc.result && isVerdict(grpc.result)) this.#violate("REST was asked though gRPC could tell");
      return;
    }
    const model = this.#breakers.models.grpc;
    const hadTime = timeoutMs >= (this.#budgets.restMs ?? 0) - HAIR_MS;
    if (model?.admits(this.#breakers.now, ask.isOfKnownUser()) && hadTime)
      this.#violate(`REST was asked first, at ${began.at}`);
  }

  #checkTime({ ask, upstream, timeoutMs, began }: Try): void {
    const most = this.#budgets[upstream === "grpc" ? "grpcMs" : "restMs"] ?? 0;
    if (!(timeoutMs <= most + HAIR_MS)) this.#violate(`${upstream} was given ${timeoutMs} ms of ${most}`);
    if (timeoutMs < LEAST_MS) this.#violate(`${upstream} was given no more than ${timeoutMs} ms`);
    // The deadline runs from before the queue: this is the latest that it can be.
    const end = ask.began.at + this.#budgets.deadlineMs + 1;
    if (began.at + timeoutMs > end) this.#violate(`${upstream} was given ${timeoutMs} ms, past the deadline`);
  }

  #checkCredential(header: Headers): void {
    const found = header.get(OWN_CREDENTIAL.name);
    const wanted = this.#settings.headers === "none" ? null : OWN_CREDENTIAL.value;
    if (found !== wanted) this.#violate(`a call carries ${found} as our own credential`);
  }

  #violate(rule: string): void {
    this.#chronicle.violate(this.#name, rule);
  }
}

export function labelOf({ question, began }: Ask): string {
  return `${labelOfQuestion(question)} (ask ${began.order})`;
}

export function labelOfQuestion({ operation, token, user, organizationId }: Ask["question"]): string {
  const about = token ?? (user ? `${user.organizationId}/${user.userId}` : organizationId);
  return `${operation} ${about && about.length > 30 ? `…${about.slice(-12)}` : about}`;
}

function detailOf(result: TryResult): string | undefined {
  if (result.kind === "answer") return markOf(result.answer);
  if (result.kind === "refused") return result.reason;
  return result.kind === "unreachable" && result.timedOut ? "timed out" : undefined;
}

export function failedTries(ask: Ask): Try[] {
  return triesOf(ask).filter(({ result }) => result !== undefined && !isVerdict(result));
}
