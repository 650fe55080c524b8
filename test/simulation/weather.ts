import type { Random } from "./random.js";
import type { Course as Replied } from "./reply.js";

/**
 * What becomes of a call. `refusal`: it is refused, whatever the truth; `reset`: it falls, and with it all that are under way; `unprocessed`:
 * nobody has looked at it.
 */
export type Course = Replied | "refusal" | "reset" | "unprocessed";

/**
 * How an upstream is at the moment. `drowning`: slower, and busier, the more is asked; `picky`: hangs at tokens that were ever good, and
 * refuses garbage at once; `keyless`: refuses everybody.
 */
export type Weather =
  | "calm"
  | "rotating"
  | "slow"
  | "flaky"
  | "down"
  | "silent"
  | "broken"
  | "busy"
  | "drowning"
  | "picky"
  | "keyless"
  | "chaos";

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
  drowning: { courses: { truth: 1 }, slow: 0 },
  picky: { courses: { truth: 1 }, slow: 0 },
  keyless: { courses: { refusal: 1 }, slow: 0.1 },
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
    drowning: 2,
    picky: 2,
    keyless: 1,
    chaos: 3,
  });
}

export interface Call {
  /** What it was given. */
  readonly timeoutMs: number;
  /** Calls that are under way already. */
  readonly underWay: number;
  /** Whether it asks about a token that was ever good, or about somebody. */
  readonly isIssued: boolean;
}

/** One that has more to do than this begins to drown. */
const ROOM = 8;

export function drawPlan(random: Random, weather: Weather, { timeoutMs, underWay, isIssued }: Call): Plan {
  const { courses, slow } = CLIMATES[weather];
  if (weather === "drowning" && underWay > ROOM) {
    const latencyMs = random.ms(0, (timeoutMs * underWay) / (4 * ROOM));
    return { course: random.chance(0.2) ? "busy" : "truth", latencyMs, looksFirst: true, obeys: random.chance(0.5) };
  }
  if (weather === "picky" && isIssued)
    return { course: "truth", latencyMs: Number.POSITIVE_INFINITY, looksFirst: true, obeys: random.chance(0.5) };
  const course = random.weighted<Course | "silence">(courses);
  const looksFirst = random.chance(0.5);
  if (course === "silence")
    return { course: "truth", latencyMs: Number.POSITIVE_INFINITY, looksFirst, obeys: random.chance(0.5) };
  const isSlow = random.chance(slow);
  const latencyMs = isSlow ? random.ms(0, 1.6 * timeoutMs) : random.ms(0, 4);
  return { course, latencyMs, looksFirst, obeys: weather === "calm" || random.chance(0.5) };
}
