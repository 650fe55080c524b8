import type { ServerResponse } from "node:http";
import type { AuthClient } from "../auth/auth-client.js";
import { traitsOf } from "../auth/client-traits.js";
import type { Failure } from "./middleware.js";

/** The `onError` functions that each client's log has named: the fault is the same with every request. */
const named = new WeakMap<AuthClient, WeakSet<object>>();

/**
 * Names in the log, when the client's deadline has passed, an `onError` that leaves its request without an answer: the request waits
 * until its HTTP client gives up, and nothing else would tell.
 *
 * @param omitted what it has not done, in words
 * @returns ends the watch
 */
export function watchUnanswered({ settings, guard }: Failure, res: ServerResponse, omitted: string): () => void {
  const onError = settings.onError as object;
  const namedHere = named.get(settings.client) ?? new WeakSet();
  named.set(settings.client, namedHere);
  if (isAnswered(res) || namedHere.has(onError)) return () => undefined;
  const { clock, deadlineMs, logger } = traitsOf(settings.client);
  const timer = clock.setTimeout(tell, deadlineMs, { background: true });
  const stop = () => timer.clear();
  res.once?.("close", stop); // answered, or its connection has gone
  return stop;

  function tell(): void {
    if (isAnswered(res) || namedHere.has(onError)) return;
    namedHere.add(onError);
    const caller = `${settings.maker}()${guard === undefined ? "" : `, called for ${guard},`}`;
    logger.warn(`portero: the onError of ${caller} has ${omitted} within ${deadlineMs} ms: its request waits`);
  }
}

function isAnswered(res: Partial<ServerResponse>): boolean {
  return Boolean(res.headersSent || res.writableEnded || res.destroyed || res.closed);
}
