import type { Count, Figure, Findings, Ratio } from "./bench.js";
import { quantile, spreadOf } from "./spread.js";
import type { Moment, Moments } from "./timeline.js";

/** A plot shows one request in so many milliseconds. */
const PLOTTED_MS = 100;

export interface CourseFacts<S> {
  /** When the fault began and ended, in milliseconds from the start. */
  readonly from: number;
  readonly to: number;
  /** From when on the fault is known. */
  readonly settled: number;
  /** Cached users who were not answered at once. */
  readonly missed: number;
  /** Whether portero noticed: a breaker opened, or the shared cache was given up. */
  readonly noticed: boolean;
  readonly beside: readonly S[];
}

/** How it went, and what it shows. */
export class Course<S extends string> {
  readonly #title: string;
  readonly #facts: CourseFacts<S>;
  readonly moments: Moments<S | "portero" | "cached users">;

  constructor(title: string, moments: Moments<S | "portero" | "cached users">, facts: CourseFacts<S>) {
    this.#title = title;
    this.moments = moments;
    this.#facts = facts;
  }

  before(moments: readonly Moment[]): readonly Moment[] {
    const { from } = this.#facts;
    return moments.filter(({ at }) => at > from / 4 && at < from); // the first ones warm up
  }

  during(moments: readonly Moment[]): readonly Moment[] {
    const { settled, to } = this.#facts;
    return moments.filter(({ at }) => at > settled && at < to);
  }

  failures(who: string, moments: readonly Moment[]): Count {
    const failed = moments.filter(({ error }) => error !== undefined);
    return { what: `${this.#title}: ${who} without an answer`, is: failed.length, target: { exactly: 0 } };
  }

  findings({ ratios, counts }: { ratios: readonly Ratio[]; counts: readonly Count[] }): Findings {
    const cached = this.moments["cached users"];
    const { from, to, missed, noticed } = this.#facts;
    const throughout = cached.filter(({ at }) => at > from && at < to);
    const hits = (moments: readonly Moment[], share: number) =>
      moments.length === 0 ? Number.NaN : quantile(moments.map(tookMs), share);
    const comparedWithHealthy = (share: number) =>
      spreadOf([hits(throughout, share) / hits(this.before(cached), share)]);
    return {
      figures: [...this.#facts.beside, "portero" as const].flatMap((name) => this.#figures(name)),
      ratios: [
        ...ratios,
        {
          what: `${this.#title}, from its beginning to its end: hits of cached users / the same when healthy`,
          spread: comparedWithHealthy(0.5),
          target: { atMost: 1.1 },
        },
        {
          what: `${this.#title}, from its beginning to its end: p99 of hits of cached users / the same when healthy`,
          spread: comparedWithHealthy(0.99),
        },
      ],
      counts: [
        ...counts,
        {
          what: `${this.#title}: cached users who were not answered at once`,
          is: missed,
          target: { exactly: 0 },
        },
        {
          what: `${this.#title}: faults that portero did not notice`,
          is: noticed ? 0 : 1,
          target: { exactly: 0 },
        },
      ],
      plots: [
        {
          name: this.#title.toLowerCase().replaceAll(/\W+/g, "-"),
          title: `${this.#title}, from ${this.#facts.from / 1000} s to ${this.#facts.to / 1000} s`,
          x: { name: "seconds" },
          y: { name: `slowest new user in ${PLOTTED_MS} ms, ms`, scale: "log" },
          marks: "dots",
          series: [...this.#facts.beside, "portero" as const].flatMap((name) => seriesOf(name, this.moments[name])),
        },
      ],
    };
  }

  #figures(name: S | "portero"): Figure[] {
    const subject = `${this.#title}: ${name === "portero" ? "new users" : name}`;
    const moments = this.moments[name];
    return [
      { subject, what: "p99 when healthy, ms", spread: spreadOf([p99(this.before(moments))]) },
      { subject, what: "p99 while it lasts, ms", spread: spreadOf([p99(this.during(moments))]) },
      { subject, what: "longest of all, ms", spread: spreadOf([Math.max(...moments.map(tookMs))]) },
    ];
  }
}

const tookMs = (moment: Moment) => moment.tookMs;

/** Not a number where a machine was so slow that no user came. */
export function p99(moments: readonly Moment[]): number {
  return moments.length === 0 ? Number.NaN : quantile(moments.map(tookMs), 0.99);
}

/** Answers, and apart from them what was no answer. */
function seriesOf(name: string, moments: readonly Moment[]) {
  const [answers, failures] = [
    moments.filter(({ error }) => error === undefined),
    moments.filter(({ error }) => error !== undefined),
  ];
  return [
    { name, points: slowest(answers) },
    ...(failures.length > 0 ? [{ name: `${name}: 503`, points: slowest(failures) }] : []),
  ];
}

/** Of each moment that a plot has room for, the slowest: [seconds, milliseconds], rounded. */
function slowest(moments: readonly Moment[]): (readonly [number, number])[] {
  const found = new Map<number, Moment>();
  for (const moment of moments) {
    const slot = Math.floor(moment.at / PLOTTED_MS);
    if (moment.tookMs >= (found.get(slot)?.tookMs ?? 0)) found.set(slot, moment);
  }
  return [...found.values()].map(({ at, tookMs }) => [round(at / 1000, 3), round(Math.max(tookMs, 0.01), 2)] as const);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
