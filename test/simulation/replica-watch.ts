import type { ContextValues } from "@connectrpc/connect";
import { isKnown } from "../../src/transport/call-context.js";
import type { Chronicle } from "./chronicle.js";
import { GARBAGE, type LeafCall, type LeafObserver, POISON, type ReplicaServer } from "./replica-server.js";
import type { ReplicaSettings } from "./replica-settings.js";
import type { VirtualClock } from "./virtual-clock.js";

/** What pays for extra calls: ten, and one for ten questions. In tenths of a call. */
const [MOST, PER_QUESTION, PER_CALL] = [100, 1, 10];
/** Two answers must lack an address, and look-ups are 35 s apart at most; one that hangs is not waited for longer than 5 s. */
export const LEFT_MS = 2 * (35_000 + 7000);
/** Timers of a machine are whole milliseconds, and wait one more turn. */
const SLACK_MS = 1.5;
/** Calls as long as a connection and an answer take. */
const AT_ONCE_MS = 15;

interface Question {
  readonly token: string;
  readonly began: number;
  readonly calls: LeafCall[];
  readonly isKnown: boolean;
  /** When a call of it ended last: another one at that moment follows on it. */
  endedAt: number | undefined;
}

interface Servers {
  readonly all: readonly ReplicaServer[];
  /** Those among them that should be asked. */
  readonly listed: readonly ReplicaServer[];
  /** When an answer of the name server last left one out that it should have told of. */
  readonly hiddenAt: ReadonlyMap<ReplicaServer, number>;
}

/** Holds each call that reaches a replica, and each that does not, against the specification. */
export class ReplicaWatch implements LeafObserver {
  calls = 0;
  /** Those among them that were made beyond the first of a question. */
  extra = 0;
  /** Told of each call, too. */
  onCall: ((call: LeafCall) => void) | undefined;
  /** Limits that have fallen allow no second call beside the first; it takes long until they have risen again. */
  isLimited: () => boolean = () => false;
  /** Where DNS told the truth for the last time of those that have left. */
  readonly leftAt = new Map<ReplicaServer, number>();
  readonly #settings: ReplicaSettings;
  readonly #clock: VirtualClock;
  readonly #chronicle: Chronicle;
  readonly #servers: Servers;
  readonly #questions = new Map<object, Question>();
  readonly #verdictAt = new Map<string, number>();
  /** Of known users, and of strangers, at the least: which of them has paid for a call that tests a replica cannot be seen. */
  readonly #budgets = new Map<boolean, number>();
  /** When each last had less than it takes. */
  readonly #poorAt = new Map<boolean, number>();
  /** Until when the breaker of gRPC was anything but closed. */
  #openUntil = Number.NEGATIVE_INFINITY;
  /** When each was asked first. */
  readonly #askedAt = new Map<ReplicaServer, number>();
  /** When each was asked last. */
  readonly #lastAskedAt = new Map<ReplicaServer, number>();
  /** Until when each was out, as the client says. */
  readonly #outUntil = new Map<string, number>();
  #asked = 0;
  /** Calls that were not processed, and must be put to the same replica again in this turn. */
  readonly #lost = new Set<LeafCall>();
  /** Calls that were put again so: no third one follows. */
  readonly #secondCalls = new WeakSet<LeafCall>();
  /** Tokens for which neither was processed: the replica has failed, well though it is. */
  readonly #lostTwice = new Set<string>();

  constructor(
    settings: ReplicaSettings,
    { clock, chronicle, servers }: { clock: VirtualClock; chronicle: Chronicle; servers: Servers },
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#chronicle = chronicle;
    this.#servers = servers;
  }

  began(call: LeafCall): void {
    const { server, token, context, timeoutMs } = call;
    const now = this.#clock.time;
    this.calls++;
    this.onCall?.(call);
    if (!this.#askedAt.has(server)) this.#askedAt.set(server, now);
    this.#lastAskedAt.set(server, now);
    this.#chronicle.record("", "call", call.address, token, context ? "" : "doubled", `${timeoutMs} ms`);
    const left = this.leftAt.get(server);
    if (left !== undefined && now > left + LEFT_MS)
      this.#violate(`${server.addresses[0]} was asked, and left at ${left}`);
    this.#endsInTime(call);
    const replaced = [...this.#lost].find((other) => other.address === call.address && other.context === context);
    if (replaced) {
      this.#lost.delete(replaced);
      this.#secondCalls.add(call);
      if (context) this.#questions.get(context)?.calls.push(call);
      return;
    }
    if (!context) {
      for (const known of this.#budgets.keys()) this.#pay(known, -PER_CALL);
      return this.#payExtra();
    }
    const question = this.#questions.get(context);
    const isOfKnown = isKnown(context as ContextValues);
    if (!question || (question.endedAt !== now && question.calls.every(({ isOver }) => isOver))) {
      this.#pay(isOfKnown, PER_QUESTION);
      this.#asked++;
      this.#questions.set(context, { token, began: now, calls: [call], isKnown: isOfKnown, endedAt: undefined });
      return;
    }
    if (question.calls.some(({ address }) => address === call.address))
      this.#violate(`${token} was put to ${call.address} twice`);
    question.calls.push(call);
    this.#pay(question.isKnown, -PER_CALL);
    this.#payExtra();
  }

  ended(call: LeafCall, end: "verdict" | "unprocessed" | "failed"): void {
    this.#chronicle.record("", "end", call.address, call.token, end);
    if (end === "verdict" && call.context) this.#verdictAt.set(call.token, this.#clock.time);
    const question = call.context && this.#questions.get(call.context);
    if (question) question.endedAt = this.#clock.time;
    if (end !== "unprocessed") return;
    if (this.#secondCalls.has(call)) this.#lostTwice.add(call.token);
    else this.#lost.add(call);
  }

  /** REST was asked. */
  fellBack(context: object | undefined, token: string): void {
    this.#chronicle.record("", "rest", token);
    this.#verdictAt.set(token, this.#clock.time);
    if (token.startsWith(POISON)) return;
    const question = context && this.#questions.get(context);
    // The balancer never refuses: only a breaker that is not closed does, and a look-up that has never brought an address.
    if (!question && this.#openUntil < this.#clock.time && this.#askedAt.size > 0)
      this.#violate(`REST was asked about ${token}, and no replica was`);
    const rule = this.#whyNotBeyond(question);
    if (rule) this.#violate(`REST was asked about ${token}, though ${rule}`);
  }

  /** Somebody was answered. */
  answered(token: string, askedAt: number): void {
    const now = this.#clock.time;
    if (this.#verdictAt.get(token) !== now)
      this.#violate(`${token} was answered at ${now}, and the verdict came at ${this.#verdictAt.get(token)}`);
    const { isOneIll, hedgeMs, grpcMs, restMs } = this.#settings;
    if (now > askedAt + grpcMs + restMs + SLACK_MS) this.#violate(`${token} was answered after ${now - askedAt} ms`);
    const isAtOnce = now <= askedAt + hedgeMs + AT_ONCE_MS;
    const isPaid = this.#isPaid(false, askedAt) && this.#isPaid(true, askedAt);
    const couldBe = isOneIll && hedgeMs > 0 && this.#couldTell(askedAt);
    if (couldBe && isPaid && !isAtOnce && !token.startsWith(POISON) && !this.#lostTwice.has(token))
      this.#violate(`one is ill, and ${token} was answered after ${now - askedAt} ms`);
  }

  failed(token: string, code: string): void {
    if (token.startsWith(GARBAGE) && code === "invalid_token") return;
    if (!token.startsWith(POISON)) this.#violate(`${token} was lost: ${code}`);
  }

  breakerMoved(upstream: string, from: string, to: string): void {
    this.#chronicle.record("", "breaker", upstream, to);
    const { isOneIll, grpcMs, hedgeMs } = this.#settings;
    // Where nothing is doubled, a timeout while nobody else asks is all that is known.
    if (isOneIll && hedgeMs > 0 && from === "closed" && this.#couldTell(this.#clock.time - 2 * grpcMs))
      this.#violate(`the breaker of ${upstream} is ${to}, and another replica could tell`);
    if (upstream === "grpc") this.#openUntil = to === "closed" ? this.#clock.time : Number.POSITIVE_INFINITY;
  }

  replicaMoved(address: string, to: string): void {
    this.#chronicle.record("", "replica", address, to);
    const host = address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    const server = this.#servers.all.find(({ addresses }) => addresses.includes(host));
    if (to !== "out")
      this.#outUntil.set(address, Math.min(this.#clock.time, this.#outUntil.get(address) ?? this.#clock.time));
    if (to !== "out" || !server) return;
    this.#outUntil.set(address, Number.POSITIVE_INFINITY);
    if (server.wellSince < this.#clock.time - this.#settings.grpcMs - SLACK_MS)
      this.#violate(`${address} is out, and has been well since ${server.wellSince}`);
  }

  endOfTurn(): void {
    for (const call of this.#lost) {
      if (call.signal?.aborted) continue;
      this.#violate(`${call.token} was not processed by ${call.server.addresses[0]}, and not put to it again`);
    }
    this.#lost.clear();
  }

  /** Why gRPC must have answered. */
  #whyNotBeyond(question: Question | undefined): string | undefined {
    const { isOneIll, hedgeMs } = this.#settings;
    if (!isOneIll || !question || this.#lostTwice.has(question.token)) return undefined;
    if (!this.#couldTell(question.began) || !this.#isPaid(question.isKnown, question.began)) return undefined;
    const hasHung = this.#clock.time >= question.began + Math.min(hedgeMs || Number.POSITIVE_INFINITY, AT_ONCE_MS);
    if (hedgeMs === 0 && hasHung) return undefined;
    return "another replica could tell";
  }

  /** Whether one was well, and known to be, all the time since then, and no more than one ill. */
  #couldTell(since: number): boolean {
    // One that has left is asked still, until that is known.
    const isAsked = (server: ReplicaServer) =>
      this.#servers.listed.includes(server) || (this.#lastAskedAt.get(server) ?? Number.NEGATIVE_INFINITY) >= since;
    const ill = this.#servers.all.filter((server) => server.wellSince >= since && isAsked(server));
    if (this.#openUntil >= since || ill.length > 1) return false;
    return this.#servers.listed.some((server) => {
      const isIn = (this.#outUntil.get(`${server.addresses[0]}:50051`) ?? Number.NEGATIVE_INFINITY) < since;
      const isHidden = (this.#servers.hiddenAt.get(server) ?? Number.NEGATIVE_INFINITY) > since - LEFT_MS;
      const isFound = !isHidden && (this.#askedAt.get(server) ?? Number.POSITIVE_INFINITY) < since;
      return isIn && isFound && server.wellSince < since;
    });
  }

  #pay(isOfKnown: boolean, tenths: number): void {
    const before = this.#budgets.get(isOfKnown) ?? MOST;
    const left = Math.min(MOST, before + tenths);
    if (Math.min(before, left) < PER_CALL) this.#poorAt.set(isOfKnown, this.#clock.time);
    this.#budgets.set(isOfKnown, left);
  }

  /** Whether one more call could be paid for, all the time since then. */
  #isPaid(isOfKnown: boolean, since: number): boolean {
    const isPoor = (this.#budgets.get(isOfKnown) ?? MOST) < PER_CALL;
    return !this.isLimited() && !isPoor && (this.#poorAt.get(isOfKnown) ?? Number.NEGATIVE_INFINITY) < since;
  }

  #payExtra(): void {
    this.extra++;
    const budgets = this.#budgets.size;
    if (this.extra > (budgets * MOST) / PER_CALL + (this.#asked * PER_QUESTION) / PER_CALL)
      this.#violate(`${this.extra} extra calls to ${this.#asked} questions`);
  }

  #endsInTime(call: LeafCall): void {
    const { grpcMs } = this.#settings;
    if (!(call.timeoutMs! <= grpcMs)) this.#violate(`${call.token} was given ${call.timeoutMs} ms`);
    this.#clock.after(call.timeoutMs! + SLACK_MS, () => {
      if (!call.isOver && !call.signal?.aborted) this.#violate(`a call outlives its timeout: ${call.token}`);
    });
  }

  #violate(rule: string): void {
    this.#chronicle.violate("", rule);
  }
}
