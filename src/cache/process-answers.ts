import type { Kind } from "./kind.js";
import { type ProcessEntry, type ProcessTier, storeIn } from "./process-tier.js";
import type { Dated } from "./trip.js";
import type { UserInvalidations } from "./user-invalidations.js";

/** From this share of its TTL on, an entry is refreshed while it still serves. */
const REFRESH_AT = 0.8;

export interface ProcessAnswersOptions {
  readonly tier: ProcessTier;
  readonly users: UserInvalidations;
  /** How long past its end an answer may stand in for an unavailable service, in milliseconds. */
  readonly staleIfErrorMs: number;
}

/** How long an answer may be kept. All times are wall time in milliseconds. */
export interface Stay {
  readonly now: number;
  /** The end of an entry in this tier, whatever the answer's own. */
  readonly tierEnd: number;
  /** The end by the question's own word. */
  readonly end: number;
}

/** One kind of answer in the process tier. */
export class ProcessAnswers<Q, V, P> {
  readonly #kind: Pick<Kind<Q, V, P, unknown>, "name" | "hasDigestIds" | "present" | "bytesOf">;
  readonly #options: ProcessAnswersOptions;
  readonly #prefix: string;

  constructor(
    kind: Pick<Kind<Q, V, P, unknown>, "name" | "hasDigestIds" | "present" | "bytesOf">,
    options: ProcessAnswersOptions,
  ) {
    this.#kind = kind;
    this.#options = options;
    this.#prefix = kind.hasDigestIds ? "" : `${kind.name}:`; // no digest has a colon in it
  }

  /** What is held, fresh or not. Counts as a use. */
  find(id: string): ProcessEntry<V, P> | undefined {
    return this.#options.tier.get(this.#keyOf(id)) as ProcessEntry<V, P> | undefined;
  }

  /** What may be used now. */
  findFresh(id: string, now: number): ProcessEntry<V, P> | undefined {
    const entry = this.find(id);
    return entry && now < entry.freshUntil && !this.isVoid(entry) ? entry : undefined;
  }

  /** Keeps an answer for as long as it may; `undefined` where that is over already. */
  keep(
    id: string,
    { value, askedAt, expiresAt, subject }: Dated<V>,
    { now, tierEnd, end }: Stay,
  ): ProcessEntry<V, P> | undefined {
    const freshUntil = Math.min(expiresAt, tierEnd, end);
    if (freshUntil <= now) {
      this.forget(id);
      return undefined;
    }
    const entry: ProcessEntry<V, P> = {
      value,
      hit: this.#kind.present(value, "process", end),
      askedAt,
      freshUntil,
      staleUntil: Math.min(expiresAt + this.#options.staleIfErrorMs, end),
      refreshAt: askedAt + (expiresAt - askedAt) * REFRESH_AT, // where `end` comes first, never
      subject,
    };
    storeIn(this.#options.tier, this.#keyOf(id), entry, this.#kind.bytesOf(value));
    return entry;
  }

  /** Whether anything was held. */
  forget(id: string): boolean {
    return this.#options.tier.delete(this.#keyOf(id));
  }

  /** Whether an answer must not be used any more, because its user was invalidated after it was asked for. */
  isVoid({ subject, askedAt }: Pick<ProcessEntry<V, P>, "subject" | "askedAt">): boolean {
    return subject !== undefined && this.#options.users.cover(subject, askedAt);
  }

  /** Among the answers of all kinds. */
  #keyOf(id: string): string {
    return this.#prefix === "" ? id : this.#prefix + id;
  }
}
