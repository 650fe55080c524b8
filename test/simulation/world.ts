import type { Operation } from "../../src/transport/operation.js";
import type { Upstream } from "../../src/transport/outcome.js";
import { Archive } from "./archive.js";
import { type Account, Authority } from "./authority.js";
import { Chronicle } from "./chronicle.js";
import type { SimulatedProcess } from "./process.js";
import type { Random } from "./random.js";
import type { Question } from "./records.js";
import { SimulatedRedis } from "./redis.js";
import type { Settings } from "./settings.js";
import { SimulatedStore } from "./store.js";
import { VirtualClock } from "./virtual-clock.js";
import type { Weather } from "./weather.js";

/** Every JWT of one issuer starts alike. */
const JWT_HEAD = Buffer.from(JSON.stringify({ alg: "RS256", typ: "JWT", kid: "2026-01" })).toString("base64url");
const SIGNATURES = ["c2lnbmF0dXJl", "c2lnbmF0dXJm", "c2lnbmVk"];

/** All that there is besides the clients: time, truth, upstreams and the store. */
export class World {
  readonly clock = new VirtualClock();
  readonly chronicle = new Chronicle(this.clock);
  readonly archive = new Archive();
  readonly settings: Settings;
  readonly random: Random;
  readonly authorities: readonly Authority[];
  readonly store: SimulatedStore | undefined;
  /** The store is one, and has a log. */
  readonly redis: SimulatedRedis | undefined;
  /** Those that are closed among them. */
  readonly everyProcess: SimulatedProcess[] = [];
  /** Whether anything may fail now. */
  isTroubled = true;
  /** Whether the time to recover is over, too. */
  mustServe = false;
  readonly #weather = new Map<string, Weather>();
  readonly #questions = new Map<string, Question>();

  constructor(settings: Settings, random: Random, logRandom: Random) {
    this.settings = settings;
    this.random = random;
    const { clock } = this;
    const names = ["A", "B"].slice(0, settings.services);
    this.authorities = names.map(
      (name) => new Authority(name, settings.users, { clock, leewayMs: settings.leewayMs, random }),
    );
    this.store =
      settings.store === "none"
        ? undefined
        : new SimulatedStore({ clock, random, sealed: settings.secrets.length > 0 });
    this.redis =
      this.store && settings.log !== "none"
        ? new SimulatedRedis({
            ...{ clock, random: logRandom, chronicle: this.chronicle, store: this.store },
            refusesStreams: settings.log === "refused",
          })
        : undefined;
    for (let index = 0; index < settings.tokens; index++) this.issueToken(index);
  }

  /** Processes that are up. */
  get processes(): SimulatedProcess[] {
    return this.everyProcess.filter(({ journal }) => !journal.closed);
  }

  /** The same token belongs to another user at another service. */
  issueToken(index: number): string {
    const { random } = this;
    const exp = this.#drawExp();
    const text = this.#drawToken(index, exp);
    for (const authority of this.authorities) authority.issue(text, random.pick<Account>(authority.accounts), exp);
    if (isJwt(text) && random.chance(0.4)) this.#respell(text);
    return text;
  }

  /** A token that is good nowhere, and never was. */
  drawGarbage(index: number, kind = this.random.pick(["opaque", "jwt"])): string {
    if (kind === "opaque") return `stranger-${index}`;
    const payload = Buffer.from(JSON.stringify({ iss: "https://elsewhere.example", n: index })).toString("base64url");
    return `${JWT_HEAD}.${payload}.${SIGNATURES[0]}`;
  }

  weatherOf(service: number, upstream: Upstream): Weather {
    return this.#weather.get(`${service} ${upstream}`) ?? "calm";
  }

  setWeather(service: number, upstream: Upstream, weather: Weather): void {
    this.#weather.set(`${service} ${upstream}`, weather);
  }

  /** The last fault ends. */
  calmDown(): void {
    this.isTroubled = false;
    this.#weather.clear();
    if (this.store) this.store.weather = "calm";
    if (this.redis) this.redis.logWeather = "calm";
  }

  question(service: number, about: Omit<Question, "authority">): Question {
    const { operation, token, user, organizationId } = about;
    const asked = token ?? organizationId ?? JSON.stringify([user?.organizationId, user?.userId]);
    const key = `${service} ${operation} ${asked}`;
    let question = this.#questions.get(key);
    if (!question) {
      question = {
        ...about,
        ...(token !== undefined && { meaning: meaningOf(token) }),
        authority: this.authorities[service]!,
      };
      this.#questions.set(key, question);
    }
    return question;
  }

  /** What a message that reached an upstream asks. */
  questionIn(service: number, operation: Operation, message: unknown): Question {
    const { token, userId, organizationId } = message as { token: string; userId: string; organizationId: string };
    const known = this.#questions.size;
    const question = this.question(
      service,
      operation === "VerifyToken"
        ? { operation, token }
        : operation === "GetOrganization"
          ? { operation, organizationId }
          : { operation, user: { userId, organizationId } },
    );
    if (this.#questions.size !== known) this.chronicle.violate("?", `${operation} asks what nobody wanted to know`);
    return question;
  }

  /** No token may show up in what others read. */
  checkSecrecy(who: string, text: string): void {
    for (const authority of this.authorities) {
      for (const token of authority.tokens.keys()) {
        if (text.includes(token)) this.chronicle.violate(who, `a token is shown: ${text}`);
      }
    }
  }

  /** Signatures of some kinds have several valid forms. */
  #respell(text: string): void {
    const signed = text.slice(0, text.lastIndexOf(".") + 1);
    for (const authority of this.authorities) {
      for (const signature of SIGNATURES) authority.respell(text, signed + signature);
    }
  }

  #drawExp(): number | undefined {
    const { random, clock } = this;
    const aheadMs = random.weighted({ never: 3, soon: 3, later: 3, past: 0.5 });
    switch (aheadMs) {
      case "never":
        return undefined;
      case "soon":
        return clock.wall + Math.round(random.ms(0, 5000));
      case "later":
        return Math.round(clock.wall / 1000 + random.ms(0, 600)) * 1000;
      case "past":
        return clock.wall - 500;
    }
  }

  #drawToken(index: number, exp: number | undefined): string {
    const { random } = this;
    const kind = exp === undefined ? random.pick(["opaque", "long", "jwt"]) : "jwt";
    if (kind === "opaque") return `opaque.token~${index}==`;
    if (kind === "long") return `${"long-".repeat(200)}${index}${"-tail".repeat(100)}`;
    const odd = random.pick([{}, { exp: "never" }, { exp: null }]);
    const payload = { iss: "https://auth.example", n: index, ...(exp === undefined ? odd : { exp: exp / 1000 }) };
    return `${JWT_HEAD}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.${random.pick(SIGNATURES)}`;
  }
}

export function isJwt(token: string): boolean {
  return token.startsWith(JWT_HEAD) && token.split(".").length === 3;
}

function meaningOf(token: string): string {
  return isJwt(token) ? token.slice(0, token.lastIndexOf(".")) : token;
}
