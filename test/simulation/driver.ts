import { knownAlone } from "../../src/runtime/adaptive-limit.js";
import { type Action, UNUSUAL, USUAL } from "./actions.js";
import { Casting } from "./casting.js";
import { flood } from "./flood.js";
import { actOnLog } from "./log-plots.js";
import { drawPlot } from "./plots.js";
import { SimulatedProcess } from "./process.js";
import { Random } from "./random.js";
import { budgets, LOG_STREAM } from "./settings.js";
import type { Scene } from "./stage.js";
import type { StoreWeather } from "./store.js";
import { Visits } from "./visits.js";
import { drawWeather } from "./weather.js";
import { isJwt, type World } from "./world.js";

const MALFORMED = [
  "Bearer",
  "Bearer  ",
  "Bearer a b",
  "bearer a,b",
  "Bearer =",
  "Bearer ü",
  `Bearer ${"x".repeat(8193)}`,
];

/** With more places than these nobody need wait for one, but in a flood. */
const MANY_PLACES = 16;

/** Makes the world go round: draws what happens next, and when. */
export class Driver {
  readonly world: World;
  readonly visits: Visits;
  readonly #random: Random;
  readonly #seed: number;
  #issued: number;
  readonly #casting: Casting;
  readonly #logRandom: Random;
  /** What happens next, if anything is under way. */
  #plot: Scene[] = [];

  constructor(seed: number, world: World) {
    this.#seed = seed;
    this.world = world;
    this.#random = world.random;
    this.visits = new Visits(world);
    this.#casting = new Casting(world);
    this.#logRandom = new Random(seed, LOG_STREAM + 2);
    this.#issued = world.settings.tokens;
    for (let index = 0; index < world.settings.processes; index++) this.#start(index % world.settings.services);
  }

  /** How long nothing happens, but what is under way. */
  pause(): number {
    if (this.#plot.length > 0) return this.#plot[0]!.afterMs;
    const random = this.#random;
    const { cache, breaker } = this.world.settings;
    const { grpcMs, restMs, deadlineMs } = budgets(this.world.settings);
    switch (random.weighted({ none: 6, moment: 9, try: 6, deadline: 2, recovery: 2, ttl: 2, refusal: 1, exp: 1 })) {
      case "none":
        return 0;
      case "moment":
        return random.ms(0, 6);
      case "try":
        return random.ms(0, 1.1 * (grpcMs ?? restMs ?? 0));
      case "deadline":
        return random.ms(0, deadlineMs);
      case "recovery":
        return random.ms(0, 1.2 * breaker.recoveryMs);
      case "ttl":
        return random.ms(0, 1.1 * random.pick([cache.ttlMs, cache.processTtlMs, cache.permissionsTtlMs]));
      case "refusal":
        return random.ms(0, 1.1 * cache.refusalTtlMs);
      case "exp":
        return this.#casting.untilSomeEnd();
    }
  }

  /** Something happens. */
  act(): void {
    const scene = this.#plot.shift();
    if (scene) return scene.act();
    const plot = actOnLog({
      ...{ world: this.world, visits: this.visits, random: this.#logRandom },
      tokenOf: (process) => this.#casting.token(process),
      restart: (process) => {
        this.stop(process);
        return this.#start(process.service);
      },
    });
    if (plot) {
      this.#plot = plot;
      return;
    }
    const random = this.#random;
    const { world, visits } = this;
    const { theme } = world.settings;
    const action = random.weighted<Action>({ ...USUAL, ...UNUSUAL[theme] });
    const process = random.pick(world.processes);
    switch (action) {
      case "visit":
        return visits.visit(process, this.#casting.route(), this.#casting.token(process));
      case "burst":
        return this.#burst(process, 2 + random.int(12));
      case "flood":
        this.#plot = flood({ visits, random, process, casting: this.#casting });
        return this.#plot.shift()?.act();
      case "call": {
        const fresh = random.chance(0.25);
        return visits.call(process, this.#casting.question(process), { fresh, abortable: random.chance(0.4) });
      }
      case "abort":
        return visits.abortOne();
      case "peek":
        return this.peek(process);
      case "truth":
        return world.chronicle.record("", "truth", process.service, world.authorities[process.service]!.change(random));
      case "issue":
        return void world.issueToken(this.#issued++);
      case "invalidateToken": {
        const token = this.#casting.token(process);
        return visits.invalidate(process, {
          question: world.question(process.service, { operation: "VerifyToken", token }),
        });
      }
      case "invalidateUser":
        return visits.invalidate(process, { user: this.#casting.user(process) });
      case "weather":
        return this.#changeWeather();
      case "storeWeather":
        return this.#changeStoreWeather();
      case "restart":
        this.stop(process);
        this.#start(process.service);
        return;
      case "clock":
        if (world.settings.clocks === "set") process.setClock();
        return;
      case "nonsense":
        return visits.visit(
          process,
          random.pick(["me", "optional"]),
          undefined,
          random.pick([undefined, ...MALFORMED, ...this.#misspelt(process)]),
        );
      case "plot":
        this.#plot = drawPlot({ world, visits, random, process, token: this.#casting.token(process) });
        return;
      case "wait":
        return;
    }
  }

  stop(process: SimulatedProcess): void {
    const { chronicle } = this.world;
    chronicle.record(process.name, "close");
    process.journal.closed = chronicle.moment();
    void process.client.close();
  }

  /** A request that no cache answers, so that everything behind it is tried. */
  probe(process: SimulatedProcess): void {
    this.visits.visit(process, "fresh", this.#casting.token(process));
  }

  peek(process: SimulatedProcess): void {
    this.visits.peek(process, this.#casting.token(process));
  }

  /** So many of them at once that a few have to wait for a place, where there are few. */
  rush(process: SimulatedProcess): void {
    const { maxConcurrent, maxQueue } = this.world.settings.limit;
    const size = maxConcurrent > MANY_PLACES ? 1 : maxConcurrent - knownAlone(maxConcurrent) + Math.min(maxQueue, 2);
    for (let index = 0; index < size; index++) this.probe(process);
  }

  #start(service: number): SimulatedProcess {
    const { world, visits } = this;
    const index = world.everyProcess.length;
    const { secrets } = world.settings;
    const process = new SimulatedProcess({
      name: `p${index}`,
      world,
      service,
      secrets: index % 2 === 0 ? secrets : [...secrets].reverse(), // in the middle of a rotation
      random: new Random(this.#seed, index + 1),
      onAuthenticated: (incoming) => visits.authenticated(incoming),
    });
    world.everyProcess.push(process);
    return process;
  }

  /** A JWT as some decoders take it, and as its issuer did not write it. */
  #misspelt(process: SimulatedProcess): string[] {
    const token = this.#casting.token(process);
    return isJwt(token) ? [`Bearer ${token}=`, `Bearer ${token.replace(/\.(?=[^.]*$)/, ".~")}`] : [];
  }

  #burst(process: SimulatedProcess, size: number): void {
    const random = this.#random;
    const isOneToken = random.chance(0.4);
    const token = this.#casting.token(process);
    for (let index = 0; index < size; index++) {
      const route = random.chance(0.8) ? "me" : this.#casting.route();
      this.visits.visit(process, route, isOneToken ? token : this.#casting.token(process));
    }
  }

  #changeWeather(): void {
    const { world } = this;
    const random = this.#random;
    const service = random.int(world.settings.services);
    const weather = drawWeather(random);
    for (const upstream of random.pick([["grpc"], ["rest"], ["grpc", "rest"]] as const)) {
      world.setWeather(service, upstream, weather);
      world.chronicle.record("", "weather", service, upstream, weather);
    }
  }

  #changeStoreWeather(): void {
    const { store, settings, chronicle } = this.world;
    if (!store) return;
    const lying = settings.store === "lying" ? 6 : 0;
    store.weather = this.#random.weighted<StoreWeather>({ calm: 5, slow: 2, flaky: 3, down: 1, silent: 1, lying });
    chronicle.record("", "store", store.weather);
  }
}
