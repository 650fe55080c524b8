import { channel, tracingChannel } from "node:diagnostics_channel";

/**
 * What the package publishes on `node:diagnostics_channel`: never on a hit of the process cache, and without tokens, users and URLs. Each
 * message has `client`, an object that is the same in all messages about one client and says nothing.
 */
export const channels = {
  /** Tracing: a question that the process cannot answer at once, one for each caller that waits. */
  question: tracingChannel<unknown, object>("portero:question"),
  /** Tracing: one try at an upstream, but for those of a diagnosis. */
  call: tracingChannel<unknown, object>("portero:call"),
  /** A breaker moved. */
  breaker: channel("portero:breaker"),
  /** The shared cache or the log of invalidations went away or came back; something was invalidated. */
  cache: channel("portero:cache"),
  /** A request was let through or turned away, but for those that the process cache let through. */
  decision: channel("portero:decision"),
  /** Upkeep, as Redis' connection and pings, which no request asks for. */
  background: channel("portero:background"),
} as const;

/** Calls a function once, at once. */
export type Around = (run: () => void) => void;

/** A message about something that can be run within what a subscriber needs around it, such as a context. */
export class Wrapped {
  #around: Around[] | undefined;

  /** To be called at once, by a subscriber of `start`: what is published then runs within it. */
  runIn(around: Around): void {
    this.#around ??= [];
    this.#around.push(around);
  }

  /** Once, whatever the subscribers do. They do not get what it returns. */
  static run<T>(message: Wrapped, run: () => T): T {
    const around = message.#around;
    if (!around) return run();
    let outcome: (() => T) | undefined;
    const once = () => {
      outcome ??= outcomeOf(run);
    };
    try {
      around.reduceRight<() => void>((inner, each) => () => each(inner), once)();
    } catch {} // of a subscriber
    once();
    return (outcome as unknown as () => T)();
  }
}

function outcomeOf<T>(run: () => T): () => T {
  try {
    const value = run();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** A message about something that takes a while. */
export class Traced extends Wrapped {
  /** How long it took, in milliseconds; `undefined` until it is over. */
  durationMs: number | undefined;
}

type Tracing = typeof channels.question | typeof channels.call;

export interface TraceEnd<T> {
  /** Monotonic, in milliseconds. */
  readonly monotonic: () => number;
  /** Writes into the message what came of it. */
  readonly answered: (value: T) => void;
  readonly failed: (error: unknown) => void;
}

/** Publishes a message as it begins and ends. What it resolves to, or rejects with, is not published. */
export function trace<T>(on: Tracing, message: Traced, run: () => Promise<T>, end: TraceEnd<T>): Promise<T> {
  const began = end.monotonic();
  on.start.publish(message);
  const running = Wrapped.run(message, run);
  on.end.publish(message);
  const timed = () => {
    message.durationMs = end.monotonic() - began;
  };
  const over = () => {
    on.asyncStart.publish(message);
    on.asyncEnd.publish(message);
  };
  return running.then(
    (value) => {
      timed();
      end.answered(value);
      over();
      return value;
    },
    (error) => {
      timed();
      end.failed(error);
      on.error.publish(message);
      over();
      throw error;
    },
  );
}

/** Runs what no request asks for. */
export function inBackground<T>(run: () => T): T {
  if (!channels.background.hasSubscribers) return run();
  const message = new Wrapped();
  channels.background.publish(message);
  return Wrapped.run(message, run);
}
