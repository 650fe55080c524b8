import type { Count, Figure, Plot } from "../kit/bench.js";
import { quantile, spreadOf } from "../kit/spread.js";
import type { Moment } from "../kit/timeline.js";
import type { FloodReport } from "./notes.js";

/** What the service did meanwhile. */
export interface ServiceWork {
  readonly answers: number;
  readonly awaited: number;
  readonly stalledMs: number;
}

/** One flood, as it was seen at `client.verifyToken`. */
export class FloodCourse {
  readonly title: string;
  readonly report: FloodReport;
  readonly work: ServiceWork;
  readonly #planned: Readonly<Record<string, number>>;

  /** @param planned how many requests of each crowd were to come */
  constructor(title: string, planned: Readonly<Record<string, number>>, report: FloodReport, work: ServiceWork) {
    this.title = title;
    this.#planned = planned;
    this.report = report;
    this.work = work;
  }

  of(crowd: string): readonly Moment[] {
    return this.report.moments[crowd] ?? [];
  }

  /** In percent. */
  answered(crowd: string): number {
    return (100 * answeredOf(this.of(crowd)).length) / this.of(crowd).length;
  }

  /** Of garbage: what the service was asked about, in percent. */
  refused(crowd: string): number {
    return (100 * this.of(crowd).filter(({ error }) => error === "invalid_token").length) / this.of(crowd).length;
  }

  slowest(crowd: string): number {
    return Math.max(...answeredOf(this.of(crowd)).map(({ tookMs }) => tookMs));
  }

  /** Of the service's answers, in percent. */
  get awaited(): number {
    return (100 * this.work.awaited) / this.work.answers;
  }

  get figures(): Figure[] {
    const stall = (whose: string, ms: number): Figure => ({
      subject: `${this.title}: the process of the ${whose}`,
      what: "longest stall, ms",
      spread: spreadOf([ms]),
    });
    const stalls = [stall("client", this.report.stalledMs), stall("service", this.work.stalledMs)];
    const figures = this.#crowds.flatMap(([crowd, moments]) => {
      const subject = `${this.title}: ${crowd}`;
      const took = answeredOf(moments).map(({ tookMs }) => tookMs);
      const figure = (what: string, value: number): Figure => ({ subject, what, spread: spreadOf([value]) });
      return [
        figure("requests", moments.length),
        figure("answered, %", this.answered(crowd)),
        figure("`invalid_token`, %", this.refused(crowd)),
        ...(took.length > 0
          ? [
              figure("median of the answered, ms", quantile(took, 0.5)),
              figure("p99, ms", quantile(took, 0.99)),
              figure("slowest, ms", this.slowest(crowd)),
            ]
          : []),
      ];
    });
    return [...figures, ...stalls];
  }

  /** What must be so however slow the machine is. */
  get counts(): Count[] {
    const all = Object.values(this.report.moments).flat();
    const none = (what: string, is: number): Count => ({ what: `${this.title}: ${what}`, is, target: { exactly: 0 } });
    return [
      none("garbage let in, and users taken for others", this.report.wrong),
      none("requests that nothing came of", all.filter(({ error }) => error === "no answer").length),
      none(
        "requests that ended in anything but an answer, a refusal, or 503",
        all.filter(({ error }) => error !== undefined && !EXPECTED.has(error)).length,
      ),
      none(
        "requests that were to come and did not, or the other way round",
        Object.entries(this.#planned).reduce((sum, [crowd, is]) => sum + Math.abs(is - this.of(crowd).length), 0),
      ),
    ];
  }

  get #crowds(): [string, readonly Moment[]][] {
    return Object.entries(this.report.moments).sort(([one], [other]) => one.localeCompare(other));
  }

  /** Who was answered, and the limit and its queue beside it. */
  plots(name: string): Plot[] {
    const { samples } = this.report;
    const line = (of: (sample: (typeof samples)[number]) => number) =>
      samples.map((sample) => [sample.at / 1000, of(sample)] as const);
    return [
      {
        name,
        title: `${this.title}: answered or refused by the service`,
        x: { name: "seconds" },
        y: { name: "% of those who came in a second" },
        series: this.#crowds.map(([crowd, moments]) => ({
          name: crowd,
          points: shareBySecond(moments),
        })),
      },
      {
        name: `${name}-waits`,
        title: `${this.title}: how long answers took`,
        x: { name: "seconds" },
        y: { name: "slowest answer of a second, ms", scale: "log" },
        series: this.#crowds.map(([crowd, moments]) => ({ name: crowd, points: slowestBySecond(moments) })),
      },
      {
        name: `${name}-limit`,
        title: `${this.title}: the limit and its queue`,
        x: { name: "seconds" },
        y: { name: "calls" },
        series: [
          { name: "limit", points: line(({ limit }) => limit) },
          { name: "strangers' limit", points: line(({ strangersLimit }) => strangersLimit) },
          { name: "strangers that wait", points: line(({ queuedStrangers }) => queuedStrangers) },
          { name: "known users that wait", points: line(({ queuedKnown }) => queuedKnown) },
        ],
      },
    ];
  }
}

const EXPECTED: ReadonlySet<string> = new Set(["invalid_token", "overloaded", "auth_unavailable", "no answer"]);

function answeredOf(moments: readonly Moment[]): Moment[] {
  return moments.filter(({ error }) => error === undefined);
}

function slowestBySecond(moments: readonly Moment[]): [number, number][] {
  const slowest = new Map<number, number>();
  for (const { at, tookMs } of answeredOf(moments)) {
    const second = Math.floor(at / 1000);
    slowest.set(second, Math.max(slowest.get(second) ?? 0, tookMs));
  }
  return [...slowest].sort(([one], [other]) => one - other);
}

function shareBySecond(moments: readonly Moment[]): [number, number][] {
  const seconds = new Map<number, { came: number; told: number }>();
  for (const { at, error } of moments) {
    const second = Math.floor(at / 1000);
    const count = seconds.get(second) ?? { came: 0, told: 0 };
    count.came++;
    if (error === undefined || error === "invalid_token") count.told++;
    seconds.set(second, count);
  }
  return [...seconds]
    .sort(([one], [other]) => one - other)
    .map(([second, { came, told }]) => [second, (100 * told) / came]);
}
