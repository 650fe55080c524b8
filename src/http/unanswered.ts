import type { ServerResponse } from "node:http";
import type { AuthClient } from "../auth/auth-client.js";
import { traitsOf } from "../auth/client-traits.js";
import type { Failure } from "./middleware.js";

/** Of which functions each client's log has been told: it is the same fault with every request. */
const told = new WeakMap<AuthClient, WeakSet<object>>();

/**
 * Says in the log which `onError` leaves its requests without an answer, when the client's deadline has passed: they wait until their
 * clients give up, and nothing else would tell.
 *
 * @param omitted what it has not done, in words
 * @returns ends the watch
 */
export function watchUnanswered({ settings, guard }: Failure, res: ServerResponse, omitted: string): () => void {
  const onError = settings.onError as object;
  const toldHere = told.get(settings.client) ?? new WeakSet();
  told.set(settings.client, toldHere);
  if (isAnswered(res) || toldHere.has(onError)) return () => undefined;
  const { clock, deadlineMs, logger } = traitsOf(settings.client);
  const timer = clock.setTimeout(tell, deadlineMs, { background: true });
  const stop = () => timer.clear();
  res.once?.("close", stop); // answered, or its connection has gone
  return stop;

  function tell(): void {
    if (isAnswered(res) || toldHere.has(onError)) return;
    toldHere.add(onError);
    const caller = `${settings.maker}()${guard === undefined ? "" : `, called for ${guard},`}`;
    logger.warn(`portero: the onError of ${caller} has ${omitted} within ${deadlineMs} ms: its request waits`);
  }
}

function isAnswered(res: Partial<ServerResponse>): boolean {
  return Boolean(res.headersSent || res.writableEnded || res.destroyed || res.closed);
}
