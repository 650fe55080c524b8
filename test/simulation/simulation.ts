import { Driver } from "./driver.js";
import { INVALIDATION_MS, ROUNDING_MS, SHARED_LOOKUP_MS, TELLING_MS } from "./journal.js";
import { Random } from "./random.js";
import { budgets, LOG_STREAM, type Settings, settingsOf } from "./settings.js";
import { type OwnedClock, settle } from "./virtual-clock.js";
import { World } from "./world.js";

/** What was found when a seed was run. */
export interface Report {
  readonly seed: number;
  readonly settings: Settings;
  /** Rules that were broken: none, if all is well. Nothing is run after the first. */
  readonly violations: readonly string[];
  readonly requests: number;
  readonly calls: number;
  readonly events: number;
  /** What happened, the last of it. */
  lines(last?: number): string[];
}

/** How long after close() something may still be on its way to the shared cache: two operations, 50 ms each. */
const CLOSING_MS = INVALIDATION_MS + ROUNDING_MS;

/** Two generations of headers that were let in: the timer of the second is the last one. */
const REMEMBERED_MS = 120_000;
/** How often the world is visited again after the last fault has ended, until everything must serve. */
const VISITS_IN_RECOVERY = 4;

/**
 * Runs the world of a seed, from the first request to the last timer. The same seed does the same, always.
 *
 * @param hasLog whether its store may be a Redis with a log
 */
export async function simulate(seed: number, hasLog = true): Promise<Report> {
  const { settings, random } = settingsOf(seed, hasLog);
  const logRandom = new Random(seed, LOG_STREAM + 1);
  const world = new World(settings, random, logRandom);
  const driver = new Driver(seed, world);
  const run = new Run(world, driver);
  const onUnhandled = (error: unknown) => world.chronicle.violate("", `nobody handled the rejection: ${error}`);
  process.on("unhandledRejection", onUnhandled);
  try {
    await run.troubledTimes();
    await run.recovery();
    await run.end();
  } catch (error) {
    if (!(error instanceof Violated)) world.chronicle.violate("", `the simulation failed: ${(error as Error)?.stack}`);
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
  return {
    seed,
    settings,
    violations: world.chronicle.violations,
    requests: driver.visits.count,
    calls: world.everyProcess.reduce((sum, { calls }) => sum + calls.calls, 0),
    events: world.chronicle.size,
    lines: (last) => world.chronicle.lines(last),
  };
}

/** Ends a run: what comes after a broken rule says little. */
class Violated extends Error {}

class Run {
  readonly #world: World;
  readonly #driver: Driver;

  constructor(world: World, driver: Driver) {
    this.#world = world;
    this.#driver = driver;
  }

  async troubledTimes(): Promise<void> {
    const { clock, settings } = this.#world;
    for (let step = 0; step < settings.steps; step++) {
      await this.#pass(this.#driver.pause());
      this.#driver.act();
      await this.#afterAction();
    }
    await clock.advanceTo(clock.time, this.#check);
  }

  /** After the last fault everything serves again, within the recovery time and one deadline. */
  async recovery(): Promise<void> {
    const world = this.#world;
    const { settings, processes, random } = world;
    const waitMs = settings.breaker.recoveryMs + budgets(settings).deadlineMs + ROUNDING_MS;
    world.chronicle.record("", "the last fault ends");
    world.calmDown();
    for (let visit = 0; visit < VISITS_IN_RECOVERY; visit++) {
      await this.#pass(waitMs / VISITS_IN_RECOVERY);
      if (visit < VISITS_IN_RECOVERY - 1) for (const process of processes) this.#driver.probe(process);
      await this.#afterAction();
    }
    await this.#pass(SHARED_LOOKUP_MS);
    world.mustServe = true;
    for (let visit = 0; visit < 3; visit++) {
      for (const process of processes) {
        this.#driver.probe(process);
        await this.#afterAction();
        await this.#pass(random.ms(20, 40));
      }
    }
  }

  /** Nothing is left over: no request, no flight, no timer; and after close() nothing begins. */
  async end(): Promise<void> {
    const world = this.#world;
    const { settings, processes, chronicle } = world;
    for (const process of processes) this.#driver.rush(process);
    await this.#afterAction();
    await this.#pass(SHARED_LOOKUP_MS);
    // At once, and not only when the time for it is over. What the log tells late is deleted when it is heard.
    const hears = settings.log === "stream";
    this.#checkNothingIsLeft(({ pendingInForeground }) => (hears ? 0 : pendingInForeground));
    await this.#pass(Math.max(budgets(settings).deadlineMs + 2000, REMEMBERED_MS));
    this.#checkNothingIsLeft(({ pending }) => pending);
    this.#checkLogs();
    for (const process of processes) {
      this.#driver.probe(process);
      this.#driver.stop(process);
      this.#driver.probe(process);
      this.#driver.peek(process);
      await this.#afterAction();
    }
    await this.#pass(1000);
    for (const { name, clock, socketClock, client } of world.everyProcess) {
      const { inFlight } = client.status();
      const timers = clock.pending + socketClock.pending;
      if (timers + inFlight > 0) chronicle.violate(name, `after close(): ${timers} timers, ${inFlight} flights`);
    }
    if (this.#driver.visits.waiting > 0) chronicle.violate("", "somebody waits after close()");
    this.#throwIfViolated();
  }

  #checkNothingIsLeft(timersOf: (clock: OwnedClock) => number): void {
    const { chronicle, everyProcess } = this.#world;
    const { waiting } = this.#driver.visits;
    if (waiting > 0) chronicle.violate("", `${waiting} are still waiting`);
    for (const { name, client, clock } of everyProcess) {
      const { inFlight, upstream } = client.status();
      const left = `${inFlight} flights, ${upstream.active} active, ${upstream.queued} queued, ${timersOf(clock)} timers`;
      if (left !== "0 flights, 0 active, 0 queued, 0 timers") chronicle.violate(name, `there are left: ${left}`);
    }
  }

  /** All has been told, and everybody hears. */
  #checkLogs(): void {
    const { chronicle, processes, settings } = this.#world;
    const wanted = { none: "none", refused: "none", stream: "live" }[settings.log];
    for (const { name, client } of processes) {
      const { log, outbox } = client.status().cache;
      if (log !== wanted || outbox > 0) chronicle.violate(name, `the log is ${log}, and ${outbox} wait to be told`);
    }
  }

  /** No more are asked at once, and no more wait, than may. */
  #checkLoad(): void {
    const { chronicle, processes, settings } = this.#world;
    const { maxConcurrent, maxQueue } = settings.limit;
    for (const { name, client } of processes) {
      const { active, queued } = client.status().upstream;
      if (active > maxConcurrent) chronicle.violate(name, `${active} are asked at once, and ${maxConcurrent} may be`);
      const mayWait = 2 * maxQueue; // of known users, and of strangers
      if (queued > mayWait) chronicle.violate(name, `${queued} wait for a place, and ${mayWait} may`);
    }
  }

  /** What is closed lets go of everything, soon. */
  #checkClosed(): void {
    const { chronicle, clock, everyProcess } = this.#world;
    for (const { name, journal, clock: own, socketClock } of everyProcess) {
      const { closed } = journal;
      const socketMs = socketClock.pending > 0 ? TELLING_MS : 0;
      const pending = own.pending + socketClock.pending;
      if (closed && pending > 0 && clock.time > closed.at + CLOSING_MS + socketMs) {
        chronicle.violate(name, `${pending} timers are left after close()`);
      }
    }
  }

  async #pass(ms: number): Promise<void> {
    const { clock } = this.#world;
    await clock.advanceTo(clock.time + Math.ceil(ms * 8) / 8, this.#check);
    for (const { breakers, client } of this.#world.processes) breakers.checkState(client);
    this.#driver.visits.checkDue();
    this.#checkClosed();
    this.#throwIfViolated();
  }

  async #afterAction(): Promise<void> {
    await settle();
    this.#checkLoad();
    this.#check();
  }

  readonly #check = (): void => {
    const { chronicle, everyProcess } = this.#world;
    for (const process of everyProcess) {
      const { breakers, journal } = process;
      process.endOfTurn();
      if (!journal.closed) breakers.checkEvents();
    }
    chronicle.nextTurn();
    this.#driver.visits.checkDue();
    this.#throwIfViolated();
  };

  #throwIfViolated(): void {
    if (this.#world.chronicle.violations.length > 0) throw new Violated();
  }
}
