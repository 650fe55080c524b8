import { setTimeout as sleep } from "node:timers/promises";

/** One request of a timeline. Times in milliseconds; `at` counts from the start. */
export interface Moment {
  readonly at: number;
  readonly tookMs: number;
  /** `undefined` for an answer, else what went wrong. */
  readonly error: string | undefined;
}

export type Moments<S extends string> = Readonly<Record<S, readonly Moment[]>>;

export interface TimelineOptions<S extends string> {
  /** What is done at every tick, in turn. It does not wait for the one before: real callers don't either. */
  readonly requests: Readonly<Record<S, () => unknown>>;
  readonly everyMs: number;
  readonly lengthMs: number;
  /** What happens on the way, and when. */
  readonly events: readonly { readonly at: number; readonly run: () => unknown }[];
}

/** Lets requests come at a steady pace while things happen, and notes how long each of them took. */
export async function recordTimeline<S extends string>(options: TimelineOptions<S>): Promise<Moments<S>> {
  const { requests, everyMs, lengthMs, events } = options;
  const names = Object.keys(requests) as S[];
  const moments = Object.fromEntries(names.map((name) => [name, [] as Moment[]])) as Record<S, Moment[]>;
  const underWay = new Set<Promise<unknown>>();
  const due = [...events];
  const started = performance.now();
  const elapsed = () => performance.now() - started;
  const make = (name: S) => {
    const at = elapsed();
    const note = (error?: string) => {
      moments[name].push({ at, tookMs: elapsed() - at, error });
    };
    try {
      const answer = requests[name]();
      if (!(answer instanceof Promise)) return note();
      const noted = answer.then(
        () => note(),
        (error) => note(String(error?.code ?? error)),
      );
      underWay.add(noted);
      void noted.finally(() => underWay.delete(noted));
    } catch (error) {
      note(String((error as { code?: string }).code ?? error));
    }
  };
  // A tick that was missed is left out: to make up for it would keep answers waiting.
  for (let tick = 0; tick * everyMs < lengthMs; tick = Math.max(tick + 1, Math.floor(elapsed() / everyMs))) {
    await sleep(Math.max(0, tick * everyMs - elapsed()));
    while (due[0] && elapsed() >= due[0].at) await due.shift()!.run();
    for (const name of names) make(name);
  }
  for (const { run } of due) await run();
  await Promise.all(underWay);
  return moments;
}
