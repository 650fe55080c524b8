import { Standing } from "../runtime/standing.js";
import { FreshTurns } from "./fresh-turns.js";
import { isNewer } from "./invalidation.js";
import type { Asker, Caller, Landing, LoadCounts } from "./landing.js";
import { LoadResults, type ResultOptions } from "./load-results.js";
import { type LoadMode, LoadTask, MISS } from "./load-task.js";
import type { ProcessEntry } from "./process-cache.js";
import type { AskedQuestion, QuestionWatch } from "./question-watch.js";
import { ServiceLoads, type ServiceOptions, type ServiceTiers } from "./service-loads.js";
import { type Load, SingleFlight } from "./single-flight.js";
import type { CacheSpec, Entry, Origin, Outcome, Verdict } from "./spec.js";
import { type Looked, StaleIfError, type StaleIfErrorOptions } from "./stale-if-error.js";

export interface LoaderOptions extends ResultOptions, ServiceOptions, StaleIfErrorOptions {
  /** Whether a question failed because the service is unavailable, or because there was no place to ask it. */
  readonly couldNotAsk: (error: unknown) => boolean;
  readonly watch: QuestionWatch;
}

type LoadOf<Q, P, R> = Load<LoadTask<Q>, Landing<P, R>>;

/** Loads what the process does not hold: from the shared cache, else from the service. */
export class Loader<Q, V, P, R> {
  readonly #spec: CacheSpec<Q, V, P, R>;
  readonly #tiers: ServiceTiers<Q, V, P, R>;
  readonly #counts: LoadCounts;
  readonly #options: LoaderOptions;
  readonly #flights: SingleFlight<LoadTask<Q>, Landing<P, R>>;
  readonly #turns: FreshTurns<Landing<P, R>>;
  readonly #results: LoadResults<Q, V, P, R>;
  readonly #service: ServiceLoads<Q, V, P, R>;
  readonly #stale: StaleIfError<Q, V, P>;

  /** @param counts what is counted on the way */
  constructor(
    spec: CacheSpec<Q, V, P, R>,
    tiers: ServiceTiers<Q, V, P, R>,
    options: LoaderOptions & { counts: LoadCounts },
  ) {
    this.#spec = spec;
    this.#tiers = tiers;
    this.#counts = options.counts;
    this.#options = options;
    this.#flights = new SingleFlight(tiers.timeline, tiers.invalidation);
    this.#turns = new FreshTurns(options.clock);
    this.#results = new LoadResults(spec, tiers, options);
    this.#service = new ServiceLoads(spec, tiers, this.#results, options);
    this.#stale = new StaleIfError(tiers.process, tiers.invalidation, options);
  }

  /** Ids with a question under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** A load that looks into the shared cache, and asks the service where that has no answer. */
  miss(id: string, question: Q, caller: Caller = {}): Promise<Landing<P, R>> {
    // With a shared cache, a miss looks there first: it waits for a fresh load or a refresh only where it found nothing.
    const suits = ({ task }: LoadOf<Q, P, R>) => !this.#tiers.shared || task.mode.kind === "miss";
    const user = this.#knownUser(id, caller.asker);
    const load = this.#waitFor(this.#flights.joinable(id, suits), user, caller.asked);
    return (load ?? this.#begin(id, question, MISS, new Standing(user), caller)).landed;
  }

  /** A load that asks the service, whatever is held, and has not asked it yet. */
  fresh(id: string, question: Q, caller: Caller = {}): Promise<Landing<P, R>> {
    return this.#turns.take(
      id,
      (since, standing) => this.#begin(id, question, { kind: "fresh", since }, standing, caller).landed,
      this.#knownUser(id, caller.asker),
      caller.asked,
    );
  }

  /**
   * Brings, in the background, what takes the entry's place.
   *
   * @param except the load that brought the entry itself
   */
  refresh(id: string, question: Q, entry: ProcessEntry<V, P>, except?: LoadOf<Q, P, R>): void {
    const { subject } = entry;
    const other = this.#flights.joinable(id, (joinable) => joinable !== except);
    other?.task.standing.moveUp(subject);
    const load = other ?? this.#begin(id, question, { kind: "refresh", newerThan: entry }, new Standing(subject));
    entry.refreshAt = entry.hitUntil; // by this refresh alone
    const again = () => {
      // Where nothing has taken its place the entry still holds. Try again half-way to its end, and so on.
      const now = this.#options.clock.monotonic();
      entry.refreshAt = Math.ceil(now + (entry.hitUntil - now) / 2);
    };
    load.landed.then(again, again);
  }

  /** The id was invalidated, and all that has its meaning: what is under way for them is neither stored nor joined. */
  invalidated(id: string, meaning: string | undefined, order: number): void {
    this.#flights.invalidated(id, meaning, order);
  }

  /** The remembered refusal, if there is one. */
  refusal(id: string): Outcome<P, R> | undefined {
    const reason = this.#tiers.negative.reason(id);
    if (reason === undefined) return undefined;
    this.#counts.refusals++;
    return { kind: "refusal", reason };
  }

  /** The user that a question is asked for, if it is known: see `standing.ts`. */
  #knownUser(id: string, asker: Asker | undefined): string | undefined {
    return asker?.() ?? (this.#spec.isKnownByEntry ? this.#tiers.process.peek(id)?.subject : undefined);
  }

  /** Joins a load for a caller. */
  #waitFor(load: LoadOf<Q, P, R> | undefined, user?: string, asked?: AskedQuestion): LoadOf<Q, P, R> | undefined {
    if (!load) return undefined;
    load.task.isWaitedFor = true;
    if (user !== undefined) load.task.standing.moveUp(user);
    if (asked) asked.joined = load.task.asked;
    return load;
  }

  #begin(id: string, question: Q, mode: LoadMode, standing: Standing, caller?: Caller): LoadOf<Q, P, R> {
    const run =
      mode.kind === "refresh"
        ? (load: LoadOf<Q, P, R>) => this.#runRefresh(load)
        : (load: LoadOf<Q, P, R>) => this.#run(load);
    return this.#flights.begin(id, new LoadTask(question, mode, standing, this.#spec, caller), run);
  }

  /** No caller waits for it: the load itself is the question. */
  #runRefresh(load: LoadOf<Q, P, R>): Promise<Landing<P, R>> {
    this.#counts.renewals++;
    return this.#options.watch.asks({ kind: this.#spec.name, fresh: false, isRefresh: true }, (asked) => {
      load.task.asked = asked;
      return this.#run(load);
    });
  }

  async #run(load: LoadOf<Q, P, R>): Promise<Landing<P, R>> {
    const { question, mode, standing } = load.task;
    const looking = mode.kind === "fresh" ? undefined : this.#tiers.shared?.find(question, load, standing.known);
    load.task.prepare();
    const lookup = await looking;
    if (lookup?.entry && this.#spec.isKnownByEntry) standing.moveUp(lookup.entry.subject);
    const entry = this.#accepted(load, lookup?.entry);
    const shared = entry && this.#isWanted(entry, load.task) ? entry : undefined;
    if (lookup && mode.kind === "miss") {
      const answered = this.#answeredMeanwhile(load.id, shared);
      if (answered) return answered;
      const { standing: own, asked } = load.task;
      const beside = shared ? undefined : this.#waitFor(this.#besideMiss(load.id), own.user, asked);
      const landing = await beside?.landed;
      if (landing && landing.kind !== "turned away") return this.#landBeside(load, landing, { lookup, entry });
    }
    return shared ? this.#landShared(load, shared) : this.#pass(load, { lookup, entry });
  }

  /** The entry of the shared cache, unless something contradicts it. It may be expired. */
  #accepted(load: LoadOf<Q, P, R>, entry: Entry<V> | undefined): Entry<V> | undefined {
    const { invalidation, process } = this.#tiers;
    return entry && !invalidation.isVoidInStore(load, entry, process.peek(load.id)) ? entry : undefined;
  }

  #isWanted(entry: Entry<V>, { mode, hardExpiry }: LoadTask<Q>): boolean {
    const { clock } = this.#options;
    if (mode.kind === "refresh" && !isNewer(entry, mode.newerThan)) return false;
    return clock.monotonic() < entry.endsAt && clock.now() < Math.min(entry.expiresAt, hardExpiry);
  }

  /** What another load left in the process while this one looked: an answer, unless the shared cache has a newer one, or a refusal. */
  #answeredMeanwhile(id: string, shared: Entry<V> | undefined): Outcome<P, R> | undefined {
    const held = this.#tiers.process.findHit(id);
    if (held && (!shared || !isNewer(shared, held))) {
      this.#counts.hits++;
      return { kind: "answer", answer: held.hit, source: "process" };
    }
    return this.refusal(id);
  }

  /** The refresh or fresh load that a miss waits for when it has looked in vain. Not another miss: that could wait for a third, and none would ask. */
  #besideMiss(id: string): LoadOf<Q, P, R> | undefined {
    return this.#flights.joinable(id, ({ task }) => task.mode.kind !== "miss");
  }

  #landBeside(load: LoadOf<Q, P, R>, landing: Landing<P, R>, looked: Looked<V>): Landing<P, R> {
    return landing.kind === "unavailable" ? this.#unavailable(load, landing.error, looked) : landing;
  }

  #landShared(load: LoadOf<Q, P, R>, shared: Entry<V>): Outcome<P, R> {
    const { question, hardExpiry } = load.task;
    this.#counts.sharedHits++;
    const kept = this.#results.keep(load.id, shared, hardExpiry);
    if (kept && this.#options.clock.monotonic() >= kept.refreshAt) this.refresh(load.id, question, kept, load);
    return {
      kind: "answer",
      answer: this.#spec.present(shared.value, "shared", hardExpiry, originOf(load.id, shared)),
      source: "shared",
    };
  }

  /** Asks the service, where the gate lets it. */
  async #pass(load: LoadOf<Q, P, R>, looked: Looked<V>): Promise<Landing<P, R>> {
    const { gate, standing } = load.task;
    if (!gate || standing.known) return this.#ask(load, looked);
    const since = this.#tiers.timeline.monotonic;
    try {
      await gate();
    } catch (error) {
      return { kind: "turned away", gate, error };
    }
    return this.#ask(load, looked, since);
  }

  /** @param since when it began to wait for that, monotonic in milliseconds; default: now */
  async #ask(load: LoadOf<Q, P, R>, looked: Looked<V>, since?: number): Promise<Landing<P, R>> {
    const { timeline } = this.#tiers;
    this.#counts.misses++;
    const begunAt = timeline.monotonic;
    let verdict: Verdict<V, R>;
    try {
      verdict = await this.#service.ask(load, looked, since);
    } catch (error) {
      return this.#unavailable(load, error, looked);
    }
    if (verdict.kind === "refusal") return verdict;
    this.#turns.answeredAfter(timeline.monotonic - begunAt); // a refusal tells nothing: garbage, which strangers send, takes no time
    const { id, order, meaning } = load;
    const origin = originOf(id, { order, meaning, isShared: false, askedAt: timeline.wallOf(begunAt) });
    const { value, source } = verdict;
    return { kind: "answer", answer: this.#spec.present(value, source, load.task.hardExpiry, origin), source };
  }

  #unavailable(load: LoadOf<Q, P, R>, error: unknown, looked: Looked<V>): Landing<P, R> {
    const { hardExpiry } = load.task;
    const mayBeStale = this.#options.couldNotAsk(error) && this.#options.clock.now() < hardExpiry;
    const value = mayBeStale ? this.#stale.find(load, looked) : undefined;
    const held = this.#tiers.process.peek(load.id);
    const from = held?.hit === value ? held : looked.entry;
    if (value === undefined || !from) return { kind: "unavailable", error, stale: undefined };
    const stale = this.#spec.present(value, "stale", hardExpiry, originOf(load.id, from));
    return { kind: "unavailable", error, stale };
  }
}

function originOf(id: string, { order, askedAt, isShared, meaning }: Omit<Origin, "id">): Origin {
  return { id, order, askedAt, isShared, meaning };
}
