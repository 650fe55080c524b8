import type { IncomingMessage } from "node:http";
import type { AuthClient } from "../../src/auth/auth-client.js";
import { assembleAuthClient } from "../../src/auth/create-auth-client.js";
import type { SharedStore } from "../../src/cache/shared-store.js";
import type { Handler } from "../../src/index.js";
import { optionalAuth, requireAuth, requireLocal, requireModule, requirePermission } from "../../src/index.js";
import { strangersAlone } from "../../src/runtime/adaptive-limit.js";
import type { Authority } from "./authority.js";
import { BreakerWatch } from "./breaker-watch.js";
import { CallWatch } from "./call-watch.js";
import { optionsOf } from "./client-options.js";
import { Journal } from "./journal.js";
import { MADE_GOOD_MS, whyNotShared } from "./log-rules.js";
import { LogWatch } from "./log-watch.js";
import { ownCredentials } from "./own-credentials.js";
import type { Random } from "./random.js";
import type { Ask } from "./records.js";
import { drawAhead, ownSettings, type Settings } from "./settings.js";
import { whyStoreWasEnough } from "./store-rules.js";
import { simulatedUpstream } from "./upstream.js";
import type { LogView, Witness } from "./use.js";
import { OwnedClock } from "./virtual-clock.js";
import type { World } from "./world.js";

/** Ways into the simulated application. */
export type Route = "me" | "fresh" | "optional" | "write" | "local" | "localFresh" | "module";

/** Called between authentication and guard. */
export type OnAuthenticated = (request: IncomingMessage) => void;

export interface ProcessOptions {
  readonly name: string;
  readonly world: World;
  /** Which of the world's auth services it asks. */
  readonly service: number;
  readonly secrets: readonly string[];
  readonly random: Random;
  readonly onAuthenticated: OnAuthenticated;
}

/** One process of the application: a real client with real middleware, and everything that is seen of it. */
export class SimulatedProcess implements Witness {
  readonly name: string;
  readonly service: number;
  readonly settings: Settings;
  /** The one with which it seals. */
  readonly secret: string | undefined;
  readonly client: AuthClient;
  readonly journal = new Journal();
  readonly breakers: BreakerWatch;
  readonly calls: CallWatch;
  readonly clock: OwnedClock;
  /** Of the connection on which it reads the log, which never rests. */
  readonly socketClock: OwnedClock;
  readonly #logWatch: LogWatch;
  readonly routes: Readonly<Record<Route, readonly Handler[]>>;
  readonly #world: World;

  constructor({ name, world, service, secrets, random, onAuthenticated }: ProcessOptions) {
    const { chronicle, clock } = world;
    const settings = ownSettings(world.settings, world.random);
    this.name = name;
    this.service = service;
    this.secret = secrets[0];
    this.settings = settings;
    this.#world = world;
    this.clock = new OwnedClock(clock);
    this.socketClock = new OwnedClock(clock);
    this.#logWatch = new LogWatch(name, this.journal, world);
    this.clock.aheadMs = drawAhead(world.random, settings);
    this.journal.aheadMs = this.clock.aheadMs;
    this.breakers = new BreakerWatch(name, settings, chronicle, clock);
    const everyJournal = () => world.everyProcess.map(({ journal }) => journal);
    const whyNeedless = (ask: Ask) => whyStoreWasEnough(ask, this, clock.time);
    const around = { settings, chronicle, archive: world.archive, everyJournal, whyNeedless };
    this.calls = new CallWatch(name, around, this.journal, this.breakers);
    const store = world.store?.connect((mark) => {
      this.journal.arrivals.set(mark, clock.time);
      const answer = world.archive.find(mark);
      if (answer) this.journal.bring(answer, clock.time);
    });
    if (store) this.#watchWrites(store);
    const redis = store && world.redis?.connect(name, this.socketClock, store, this.#logWatch);
    const upstream = (which: "grpc" | "rest") =>
      simulatedUpstream({
        upstream: which,
        authority: this.authority,
        clock,
        random: world.random,
        weather: () => world.weatherOf(service, which),
        observer: this.calls,
        questionOf: (operation, message) => world.questionIn(service, operation, message),
      });
    this.client = assembleAuthClient(
      {
        ...optionsOf(this, store, secrets),
        clock: this.clock,
        random: random.next,
        headers: ownCredentials(name, world, this.journal),
      },
      {
        grpc: () => ({
          transport: upstream("grpc"),
          isReady: true,
          connect: async () => undefined,
          drop() {},
          renew() {},
          close() {},
        }),
        rest: () => ({ transport: upstream("rest"), anew: upstream("rest"), renew() {}, async warm() {}, close() {} }),
      },
      { maxTombstones: settings.maxTombstones, redis },
    );
    this.breakers.listen(this.client);
    const seen: Handler = (request, _response, next) => {
      onAuthenticated(request);
      next();
    };
    const { client } = this;
    const auth = [requireAuth({ client }), seen];
    this.routes = {
      me: auth,
      fresh: [requireAuth({ client, fresh: true }), seen],
      optional: [optionalAuth({ client }), seen],
      write: [...auth, requirePermission("write")],
      local: [...auth, requireLocal("localId")],
      localFresh: [...auth, requireLocal("localId", { fresh: true })],
      module: [...auth, requireModule("inventory")],
    };
  }

  get authority(): Authority {
    return this.#world.authorities[this.service]!;
  }

  get wall(): number {
    return this.clock.now();
  }

  get clockSlackMs(): number {
    if (this.settings.store === "none") return 0;
    const ranges = this.#world.everyProcess.map(({ clock }) => clock.aheadRange);
    return Math.max(...ranges.map(([, most]) => most)) - Math.min(...ranges.map(([least]) => least));
  }

  /** Somebody, or the network, sets its wall clock. */
  setClock(): void {
    const { chronicle, random, clock } = this.#world;
    this.clock.aheadMs = drawAhead(random, this.settings);
    this.journal.aheadMs = this.clock.aheadMs;
    this.journal.clockSetAt = clock.time;
    chronicle.record(this.name, "clock", this.clock.aheadMs);
  }

  get peers(): readonly Witness[] {
    return this.#world.everyProcess.filter((other) => other !== this && other.service === this.service);
  }

  get everyJournal(): readonly Journal[] {
    return this.#world.everyProcess.map(({ journal }) => journal);
  }

  get log(): LogView | undefined {
    const { redis, store, clock } = this.#world;
    if (!redis || !store || this.settings.log !== "stream") return undefined;
    this.checkLog();
    return {
      beganAs: this.#logWatch.beganAs,
      caughtUpAs: this.#logWatch.caughtUpAs,
      disturbedAt: redis.disturbedAt,
      isLive: this.client.status().cache.log === "live",
      isOf: (by) => this.#world.everyProcess.find((other) => other === by)?.secret === this.secret,
      isMadeGood({ called, resolved }, by) {
        if (!redis.hasLost(called.at, resolved!.at)) return true;
        const calmSince = Math.max(redis.calmSince, store.calmSince, redis.failovers.at(-1)!.at);
        return !by.journal.closed && clock.time > calmSince + MADE_GOOD_MS;
      },
    };
  }

  /** To be called when all that follows from one event has happened. */
  endOfTurn(): void {
    this.calls.endOfTurn();
    if (this.#world.redis && !this.journal.closed) this.#logWatch.endOfTurn(this.client);
  }

  /** To the store, where it can be seen what is written. */
  #watchWrites(store: SharedStore): void {
    const { set } = store;
    store.set = (key, text, ttlMs) => {
      const answer = this.#world.archive.find(text);
      const rule = answer && whyNotShared(answer, this);
      if (rule) this.#world.chronicle.violate(this.name, `shares an answer, but ${rule}`);
      return set(key, text, ttlMs);
    };
  }

  /** What it says itself of the log. */
  checkLog(): void {
    if (!this.journal.closed) this.#logWatch.check(this.client);
  }

  hasLost(from: number, to: number): boolean {
    return this.#world.redis?.hasLost(from, to) ?? false;
  }

  get isSaturated(): boolean {
    // Those who came in this turn may have taken a place and left it again, where the breakers are open.
    const { active, limit, strangersLimit } = this.client.status().upstream;
    const { chronicle, clock } = this.#world;
    const atOnce =
      this.settings.store === "none" ? this.journal.begunIn(chronicle.turn) : this.journal.lookingAt(clock.time);
    const ofOneUser = Math.max(1, Math.floor((limit - strangersAlone(limit)) / 8));
    return active + atOnce >= Math.min(strangersLimit, ofOneUser);
  }

  get wasStoreTroubled(): boolean {
    return this.#world.store?.wasTroubled ?? false;
  }

  get storeCalmSince(): number {
    return this.#world.store?.calmSince ?? Number.NEGATIVE_INFINITY;
  }

  storedAs(mark: string): { text: string; writtenAt: number } | undefined {
    return this.#world.store?.storedAs(mark);
  }

  writtenAt(mark: string): number | undefined {
    return this.#world.store?.written.get(mark);
  }

  write(level: string, message: string): void {
    this.#world.chronicle.record(this.name, "log", level, message);
    if (/unexpected|threw/.test(message)) this.#world.chronicle.violate(this.name, `a fault of its own: ${message}`);
    this.#world.checkSecrecy(this.name, message);
  }
}
