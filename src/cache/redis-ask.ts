import { whenAborted } from "../runtime/abort.js";
import { inBackground } from "../runtime/channels.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import { openLink } from "./redis-link.js";
import type { RedisEndpoint } from "./redis-topology.js";
import { type ReplyBounds, ReplyGuard } from "./reply-guard.js";

export interface AskingOptions {
  readonly clock: Clock;
  /** Ends all connections: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Of the answer. */
  readonly bounds?: ReplyBounds;
  /** To connect, to log in, and for all answers, in milliseconds. Default 700. */
  readonly withinMs?: number;
}

/** Sends a command in words; resolves with what Redis answers. */
export type Send = (words: readonly string[]) => Promise<unknown>;

const ASKING_MS = 700;

/** Asks a server one question, over a connection of its own. Rejects after 700 ms. */
export function askOnce(endpoint: RedisEndpoint, words: readonly string[], options: AskingOptions): Promise<unknown> {
  return converse(endpoint, options, (send) => send(words));
}

/** Opens a connection, on which `ask` asks what it likes, and ends it. Rejects when the time is over. */
export function converse<T>(
  endpoint: RedisEndpoint,
  options: AskingOptions,
  ask: (send: Send) => Promise<T>,
): Promise<T> {
  return inBackground(() => conversation(endpoint, options, ask));
}

/** A server that has no room for a client, or for this one, says so before it was asked anything, and ends the connection. */
function refusalIn(greeting: Buffer): Error | undefined {
  const says = /^-([A-Z]{3,20} [^\r\n]*)/.exec(greeting.toString("latin1", 0, 200))?.[1];
  return says === undefined ? undefined : new Error(says);
}

async function conversation<T>(
  endpoint: RedisEndpoint,
  { clock, signal, bounds, withinMs = ASKING_MS }: AskingOptions,
  ask: (send: Send) => Promise<T>,
): Promise<T> {
  const link = await openLink(endpoint);
  const guard = new ReplyGuard(bounds);
  let timer: Timer | undefined;
  let letGo: (() => void) | undefined;
  let refusal: Error | undefined;
  try {
    return await new Promise((resolve, reject) => {
      signal.throwIfAborted();
      letGo = whenAborted(signal, () => reject(new Error("the client is closed")));
      timer = setPatientTimeout(clock, () => reject(new Error("Redis does not answer")), withinMs);
      link.onError((error) => reject(refusal ?? error));
      link.guard((chunk) => {
        if (guard.bytes === 0) refusal = refusalIn(chunk);
        const accepts = guard.accepts(chunk);
        if (!accepts) reject(new Error("Redis sent what can be no answer"));
        return accepts;
      });
      link
        .connect()
        .then(() => ask((words) => link.send(words)))
        .then(resolve, (error: unknown) => reject(refusal ?? error));
    });
  } finally {
    letGo?.();
    timer?.clear();
    link.destroy();
  }
}
