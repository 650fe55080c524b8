import type { RefusalWatch } from "../cache/service-loads.js";
import type { AnswerSource } from "../cache/spec.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Upstream } from "../transport/outcome.js";
import type { Events } from "./events.js";

/** So many users refused one after the other, with what was good a moment ago … */
const USERS = 5;
/** … within so many milliseconds, and no answer between, are not the users' doing. */
const WITHIN_MS = 60_000;

/** Counted apart: a gateway that does not know the paths of look-ups may still pass tokens on. */
type Topic = "tokens" | "look-ups";

/** The refusals of one upstream, on one topic. */
class RefusalRun {
  readonly #clock: Clock;
  readonly #onChange: (refusing: boolean) => void;
  /** When each user was refused last, monotonic in milliseconds; the latest last. */
  readonly #users = new Map<string, number>();
  count = 0;
  refusing = false;

  constructor(clock: Clock, onChange: (refusing: boolean) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  answered(): void {
    if (this.count === 0) return;
    this.count = 0;
    this.#users.clear();
    if (this.refusing) this.#move(false);
  }

  refused(user: string): void {
    const now = this.#clock.monotonic();
    this.count++;
    this.#users.delete(user);
    this.#users.set(user, now);
    for (const [oldest, at] of this.#users) {
      if (this.#users.size <= USERS && at > now - WITHIN_MS) break;
      this.#users.delete(oldest);
    }
    if (!this.refusing && this.#users.size === USERS) this.#move(true);
  }

  #move(refusing: boolean): void {
    this.refusing = refusing;
    this.#onChange(refusing);
  }
}

/**
 * Sees that an upstream refuses every user: it lost its keys, our own credential expired, a gateway is in front of it. That is no
 * evidence about one user.
 */
export class MassRefusals {
  readonly #runs: Readonly<Record<Upstream, Readonly<Record<Topic, RefusalRun>>>>;

  constructor({ clock, logger, events }: { clock: Clock; logger: Logger; events: Events }) {
    const runsOf = (upstream: Upstream) => {
      const isRefusing = () => Object.values(runs).some(({ refusing }) => refusing);
      const run = (topic: Topic) =>
        new RefusalRun(clock, (refusing) => {
          if (refusing) logger.warn(beginning(upstream, topic));
          else logger.info(`portero: ${upstream} accepts ${topic} again`);
          if (isRefusing() === refusing) events.emit("refusals", { upstream, refusing });
        });
      const runs = { tokens: run("tokens"), "look-ups": run("look-ups") };
      return runs;
    };
    this.#runs = { grpc: runsOf("grpc"), rest: runsOf("rest") };
  }

  /** Of held tokens, or answers to look-ups, since the upstream's last answer. */
  countOf(upstream: Upstream): number {
    return Object.values(this.#runs[upstream]).reduce((sum, { count }) => sum + count, 0);
  }

  /** As the cache takes it. */
  watch(topic: Topic): RefusalWatch {
    const runOf = (source: AnswerSource) => this.#runs[source as Upstream][topic];
    return {
      answered: (source) => runOf(source).answered(),
      refused: (source, user) => runOf(source).refused(user),
      isRefusing: (source) => runOf(source).refusing,
    };
  }
}

function beginning(upstream: Upstream, topic: Topic): string {
  return (
    `portero: ${upstream} refuses ${topic} of ${USERS} users in a row that it accepted before: it may have lost its keys, or no longer ` +
    "know this service. Until it accepts one, what is cached is not given up when a refresh in the background is refused"
  );
}
