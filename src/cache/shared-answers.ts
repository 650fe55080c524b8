import type { Clock } from "../runtime/clock.js";
import { createBoundedMap } from "./bounded-map.js";
import type { EntryName } from "./keyring.js";
import type { Kind } from "./kind.js";
import type { SharedEntry, SharedLookup, SharedTier } from "./shared-tier.js";
import { Tombstones } from "./tombstones.js";
import { type Dated, MAX_SKEW_MS, type SharedAnswerLookup, type Trip } from "./trip.js";
import { ANY_USER_INVALIDATED, SHARED_LIFE_MS, type UserInvalidations } from "./user-invalidations.js";

const UNKNOWN = { known: false, answer: undefined };
const NOTHING = { known: true, answer: undefined };

/** Answers whose invalidation is remembered one by one. */
const MAX_INVALIDATED = 10_000;

/** One kind of answer in the shared tier: what may be believed of it, and what goes there. */
export class SharedAnswers<Q, V> {
  readonly #kind: Pick<
    Kind<Q, V, unknown, unknown>,
    "name" | "hasDigestIds" | "ttlMs" | "subjectOf" | "encode" | "decode"
  >;
  readonly #tier: SharedTier;
  readonly #users: UserInvalidations;
  readonly #clock: Clock;
  readonly #staleIfErrorMs: number;
  /** No answer is shared for longer after it was asked for, in milliseconds. */
  readonly #lifeMs: number;
  /** When an answer was invalidated here, by question: this process does not take back what the tier may have lost the deletion of. */
  readonly #invalidated = createBoundedMap<number>({ maxEntries: MAX_INVALIDATED });
  /** What the tier could not be told to delete: that must not be forgotten, however much it is. */
  readonly #undeleted = new Tombstones();

  constructor(
    kind: Pick<Kind<Q, V, unknown, unknown>, "name" | "hasDigestIds" | "ttlMs" | "subjectOf" | "encode" | "decode">,
    tier: SharedTier,
    users: UserInvalidations,
    { clock, staleIfErrorMs }: { clock: Clock; staleIfErrorMs: number },
  ) {
    this.#kind = kind;
    this.#tier = tier;
    this.#users = users;
    this.#clock = clock;
    this.#staleIfErrorMs = staleIfErrorMs;
    this.#lifeMs = kind.subjectOf ? SHARED_LIFE_MS : Number.POSITIVE_INFINITY;
  }

  /** What the tier holds, unless it must not be used any more. It may be expired: it can still stand in for an unavailable service. */
  async find(trip: Trip<Q, V, unknown>): Promise<SharedAnswerLookup<V>> {
    const name = this.#nameOf(trip.id);
    const names = this.#kind.subjectOf ? [name, ANY_USER_INVALIDATED] : [name];
    const [lookup, anyInvalidated] = (await this.#tier.read(...names)) as [SharedLookup, SharedLookup?];
    if (!lookup.known && !lookup.entry) return UNKNOWN;
    const answer = lookup.entry && this.#decode(trip.cargo.question, lookup.entry);
    if (!answer) return NOTHING;
    const { subject } = answer;
    const askedSince = answer.askedAt - MAX_SKEW_MS; // by the clock of whoever invalidated, at the earliest
    if (subject !== undefined) {
      const mayBeInvalidated = !anyInvalidated?.known || anyInvalidated.entry;
      if (mayBeInvalidated && !(await this.#users.learn(subject))) return NOTHING; // it cannot be ruled out
      if (this.#users.cover(subject, askedSince)) return NOTHING;
    }
    const isVoid = askedSince <= (this.#invalidated.peek(trip.id) ?? 0) || this.#undeleted.covers(trip.id, askedSince);
    return trip.grounded || isVoid ? NOTHING : { known: true, answer };
  }

  /** Writes behind: nobody waits for it. */
  put({ id, cargo: { end } }: Trip<Q, V, unknown>, { value, askedAt, expiresAt }: Dated<V>): void {
    const now = this.#clock.now();
    const keptMs = Math.min(expiresAt + this.#staleIfErrorMs, askedAt + this.#lifeMs, end) - now;
    if (expiresAt <= now || keptMs <= 0) return;
    this.#tier.write(this.#nameOf(id), { askedAt, expiresAt, value: this.#kind.encode(value) }, keptMs);
  }

  /**
   * Deletes a refused answer; nobody waits for it.
   *
   * @param refusedAt when the service was asked, wall time in milliseconds
   */
  drop(id: string, refusedAt: number): void {
    void this.#delete(id, refusedAt).catch(() => undefined); // noted, and the refusal is remembered too
  }

  /** Rejects when the tier could not be told. */
  async invalidate(id: string): Promise<void> {
    const now = this.#clock.now();
    this.#invalidated.set(id, now);
    await this.#delete(id, now);
  }

  /** @param at what was asked up to then is void, whether it can be deleted or not */
  async #delete(id: string, at: number): Promise<void> {
    try {
      await this.#tier.remove(this.#nameOf(id));
    } catch (error) {
      this.#undeleted.record(id, at);
      throw error;
    }
  }

  #nameOf(id: string): EntryName {
    return { kind: this.#kind.name, id, isDigest: this.#kind.hasDigestIds };
  }

  #decode(question: Q, { askedAt, expiresAt, value: stored }: SharedEntry): Dated<V> | undefined {
    const now = this.#clock.now();
    // One from further in the future was written by somebody whose clock, or purpose, is not ours.
    if (askedAt > now + MAX_SKEW_MS || now >= askedAt + this.#lifeMs) return undefined;
    const value = this.#kind.decode(stored);
    if (value === undefined) return undefined;
    return {
      value,
      askedAt: Math.min(askedAt, now), // an invalidation here is later than all that was found before
      expiresAt: Math.min(expiresAt, askedAt + this.#kind.ttlMs), // whoever wrote it may have longer TTLs than we: ours hold here
      subject: this.#kind.subjectOf?.(question, value),
    };
  }
}
