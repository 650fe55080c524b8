import type { Random } from "./random.js";
import type { Course as Replied } from "./reply.js";

/** What becomes of a call. `reset`: it falls, and with it all that are under way; `unprocessed`: nobody has looked at it. */
export type Course = Replied | "reset" | "unprocessed";

/** How an upstream is at the moment. */
export type Weather = "calm" | "rotating" | "slow" | "flaky" | "down" | "silent" | "broken" | "busy" | "chaos";

/** What an upstream will do with one call. */
export interface Plan {
  readonly course: Course;
  /** `Infinity`: never. */
  readonly latencyMs: number;
  /** Whether the service looks when the call comes or when it answers. */
  readonly looksFirst: boolean;
  /** Whether it ends by itself at its timeout, and when it is told to. */
  readonly obeys: boolean;
}

interface Climate {
  /** Weights of what becomes of a call. */
  readonly courses: Readonly<Partial<Record<Course | "silence", number>>>;
  /** Share of calls that take longer, up to so many times their timeout. */
  readonly slow: number;
}

const CLIMATES: Readonly<Record<Weather, Climate>> = {
  calm: { courses: { truth: 1 }, slow: 0 },
  slow: { courses: { truth: 1 }, slow: 0.7 },
  rotating: { courses: { truth: 6, unprocessed: 3, reset: 1 }, slow: 0.3 },
  flaky: {
    courses: { truth: 6, unreachable: 3, reset: 1, unprocessed: 1, broken: 1, malformed: 1, silence: 1 },
    slow: 0.2,
  },
  down: { courses: { unreachable: 1 }, slow: 0 },
  silent: { courses: { silence: 1 }, slow: 0 },
  broken: { courses: { broken: 3, malformed: 2, credential: 1 }, slow: 0 },
  busy: { courses: { busy: 3, truth: 1, timeout: 1 }, slow: 0.1 },
  chaos: {
    courses: {
      truth: 4,
      unreachable: 1,
      reset: 1,
      unprocessed: 1,
      broken: 1,
      malformed: 1,
      busy: 1,
      timeout: 1,
      credential: 1,
      silence: 1,
    },
    slow: 0.3,
  },
};

export function drawWeather(random: Random): Weather {
  return random.weighted<Weather>({
    calm: 5,
    rotating: 2,
    slow: 4,
    flaky: 3,
    down: 3,
    silent: 2,
    broken: 2,
    busy: 1,
    chaos: 3,
  });
}

/** @param timeoutMs what the call was given */
export function drawPlan(random: Random, weather: Weather, timeoutMs: number): Plan {
  const { courses, slow } = CLIMATES[weather];
  const course = random.weighted<Course | "silence">(courses);
  const looksFirst = random.chance(0.5);
  if (course === "silence")
    return { course: "truth", latencyMs: Number.POSITIVE_INFINITY, looksFirst, obeys: random.chance(0.5) };
  const isSlow = random.chance(slow);
  const latencyMs = isSlow ? random.ms(0, 1.6 * timeoutMs) : random.ms(0, 4);
  return { course, latencyMs, looksFirst, obeys: weather === "calm" || random.chance(0.5) };
}
