import type { Figure, Plot, Ratio } from "../kit/bench.js";
import { quantile, spreadOf } from "../kit/spread.js";
import type { CallMoment, CallReport } from "../subjects/replica-caller.js";
import type { Scene } from "./scenes.js";

/** What a caller whose usual answer takes a few milliseconds notices. */
const SLOW_OVER_MS = 100;
/** A plot shows the slowest call of so many milliseconds. */
const PLOTTED_MS = 100;
/** Extra calls that a client may make: these, and one for so many questions. */
const [EXTRA, EXTRA_EACH] = [10, 10];

/** When something began and ended, by the clock of the machine, in milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** How one caller got through one scene. */
export class ReplicaCourse {
  readonly #during: readonly CallMoment[];

  constructor(
    readonly scene: Scene,
    readonly caller: string,
    readonly span: Span,
    readonly report: CallReport,
    /** Until the struck replica answered this caller again, in milliseconds. */
    readonly backMs: number | undefined,
  ) {
    this.#during = report.moments.filter(({ at }) => at >= span.from && at < span.to);
  }

  get #before(): readonly CallMoment[] {
    return this.report.moments.filter(({ at }) => at < this.span.from);
  }

  get failed(): number {
    return this.#during.filter(({ answeredBy }) => answeredBy === undefined).length;
  }

  get byRest(): number {
    return this.#during.filter(({ answeredBy }) => answeredBy === "rest").length;
  }

  get p99(): number {
    return quantile(this.#during.map(tookMs), 0.99);
  }

  /** Beyond one for each question, in the whole scene. */
  get extra(): number {
    return this.report.sent - this.report.moments.length;
  }

  get figures(): Figure[] {
    const subject = `${this.scene.title}: ${this.caller}`;
    const calls = this.#during.length;
    const figure = (what: string, value: number): Figure => ({ subject, what, spread: spreadOf([value]) });
    const slow = this.#during.filter(({ tookMs }) => tookMs > SLOW_OVER_MS);
    return [
      figure("p99 before, ms", quantile(this.#before.map(tookMs), 0.99)),
      figure("calls", calls),
      figure("failed, %", (100 * this.failed) / calls),
      figure("by REST, %", (100 * this.byRest) / calls),
      figure(`over ${SLOW_OVER_MS} ms, %`, (100 * slow.length) / calls),
      figure("median, ms", quantile(this.#during.map(tookMs), 0.5)),
      figure("p99, ms", this.p99),
      figure("slowest, ms", Math.max(...this.#during.map(tookMs))),
      figure("extra calls", this.extra),
      figure("felt for, s", this.#feltForMs / 1000),
      ...(this.backMs !== undefined && Number.isFinite(this.backMs)
        ? [figure("its share again after, s", this.backMs / 1000)]
        : []),
    ];
  }

  /** Of portero, what is promised. */
  get ratios(): Ratio[] {
    const { title, p99AtMost, isFelt } = this.scene;
    const ratio = (what: string, value: number, atMost?: number): Ratio => ({
      what: `${title}: ${what}`,
      spread: spreadOf([value]),
      ...(atMost !== undefined && { target: { atMost } }),
    });
    const allowed = EXTRA + this.report.moments.length / EXTRA_EACH;
    return [
      ratio("calls that failed, or were answered by REST", this.failed + this.byRest, isFelt ? undefined : 0),
      ...(p99AtMost === undefined ? [] : [ratio("p99, ms", this.p99, p99AtMost)]),
      ratio(`extra calls / ${EXTRA} and a tenth of the questions`, this.extra / allowed, 1),
    ];
  }

  /** [seconds from the beginning of the scene, milliseconds]. */
  get points(): (readonly [number, number])[] {
    const slowest = new Map<number, CallMoment>();
    for (const moment of this.report.moments) {
      const slot = Math.floor((moment.at - this.span.from) / PLOTTED_MS);
      if (moment.tookMs >= (slowest.get(slot)?.tookMs ?? 0)) slowest.set(slot, moment);
    }
    return [...slowest.values()].map(({ at, tookMs }) => {
      return [Number(((at - this.span.from) / 1000).toFixed(3)), Number(Math.max(tookMs, 0.1).toFixed(2))] as const;
    });
  }

  /** From the beginning until the last call had ended that it made slow, or lost. */
  get #feltForMs(): number {
    const felt = this.#during.filter(({ tookMs, answeredBy }) => tookMs > SLOW_OVER_MS || answeredBy !== "grpc");
    return Math.max(0, ...felt.map(({ at, tookMs }) => at + tookMs - this.span.from));
  }
}

export function plotOf(courses: readonly ReplicaCourse[], name: string): Plot {
  const { scene, span } = courses[0]!;
  return {
    name,
    title: `${scene.title}, from 0 s to ${((span.to - span.from) / 1000).toFixed(0)} s`,
    x: { name: "seconds" },
    y: { name: `slowest call of ${PLOTTED_MS} ms, ms`, scale: "log" },
    marks: "dots",
    series: courses.map(({ caller, points }) => ({ name: caller, points })),
  };
}

const tookMs = (moment: CallMoment) => moment.tookMs;
