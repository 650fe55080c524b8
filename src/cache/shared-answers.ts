import type { Clock } from "../runtime/clock.js";
import type { EntryName } from "./keyring.js";
import type { Kind } from "./kind.js";
import type { SharedEntry, SharedLookup, SharedTier } from "./shared-tier.js";
import { Tombstones } from "./tombstones.js";
import type { Dated, SharedAnswerLookup, Trip } from "./trip.js";
import { ANY_USER_INVALIDATED, type UserInvalidations } from "./user-invalidations.js";

const UNKNOWN = { known: false, answer: undefined };
const NOTHING = { known: true, answer: undefined };

/** An entry from further in the future, in milliseconds, was written by somebody whose clock, or purpose, is not ours. */
const MAX_SKEW_MS = 60_000;

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
  /** What should not lie in the tier any more, by question. Should the tier not have been told, this process does not take it back. */
  readonly #withdrawn = new Tombstones();

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
  }

  /**
   * What the tier holds, unless it must not be used any more. It may be expired: it can still stand in for an unavailable service.
   *
   * @param refusedAt when the service was asked that last said no
   */
  async find(trip: Trip<Q, V, unknown>, refusedAt: number): Promise<SharedAnswerLookup<V>> {
    const name = this.#nameOf(trip.id);
    const names = this.#kind.subjectOf ? [name, ANY_USER_INVALIDATED] : [name];
    const [lookup, anyInvalidated] = (await this.#tier.read(...names)) as [SharedLookup, SharedLookup?];
    if (!lookup.known && !lookup.entry) return UNKNOWN;
    const answer = lookup.entry && this.#decode(lookup.entry);
    if (!answer) return NOTHING;
    const subject = this.#kind.subjectOf?.(trip.cargo.question, answer.value);
    if (subject !== undefined) {
      const mayBeInvalidated = !anyInvalidated?.known || anyInvalidated.entry;
      if (mayBeInvalidated && !(await this.#users.learn(subject))) return NOTHING; // it cannot be ruled out
      if (this.#users.cover(subject, answer.askedAt)) return NOTHING;
    }
    const isVoid = answer.askedAt <= refusedAt || this.#withdrawn.covers(trip.id, answer.askedAt);
    return trip.grounded || isVoid ? NOTHING : { known: true, answer };
  }

  /** Writes behind: nobody waits for it. */
  put({ id, cargo: { end } }: Trip<Q, V, unknown>, { value, askedAt, expiresAt }: Dated<V>): void {
    const now = this.#clock.now();
    const keptMs = Math.min(expiresAt + this.#staleIfErrorMs, end) - now;
    if (expiresAt <= now || keptMs <= 0) return;
    this.#tier.write(this.#nameOf(id), { askedAt, expiresAt, value: this.#kind.encode(value) }, keptMs);
  }

  /**
   * Deletes a refused answer. Should that fail, it is remembered as such: refusals are forgotten when others need their room.
   *
   * @param refusedAt when the service was asked, wall time in milliseconds
   */
  drop(id: string, refusedAt: number): void {
    void this.#tier.remove(this.#nameOf(id)).catch(() => this.#withdrawn.record(id, refusedAt));
  }

  /** Rejects when the tier could not be told. */
  async invalidate(id: string): Promise<void> {
    this.#withdrawn.record(id, this.#clock.now());
    await this.#tier.remove(this.#nameOf(id));
  }

  #nameOf(id: string): EntryName {
    return { kind: this.#kind.name, id, isDigest: this.#kind.hasDigestIds };
  }

  #decode(entry: SharedEntry): Dated<V> | undefined {
    const value = this.#kind.decode(entry.value);
    if (value === undefined || entry.askedAt > this.#clock.now() + MAX_SKEW_MS) return undefined;
    // Whoever wrote it may have longer TTLs than we: ours hold here.
    return { value, askedAt: entry.askedAt, expiresAt: Math.min(entry.expiresAt, entry.askedAt + this.#kind.ttlMs) };
  }
}
