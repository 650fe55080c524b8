import type { Transport } from "@connectrpc/connect";
import { raceAbort, raceTimeout } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { FailureReport } from "../runtime/failure-report.js";
import { unsetIn } from "../runtime/unset-text.js";
import { MIN_TRY_MS, timeLeftMs } from "./call-context.js";
import { UnavailableError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/** The service's own credentials: headers for every call, or a function that fetches them. */
export type CredentialHeaders =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

export interface CredentialOptions {
  clock: Clock;
  /** Called with the name of what the function threw: when it begins to fail, and once a minute at most. */
  onFailure: (name: string) => void;
}

/** Puts the service's own credentials on every call, to whichever upstream it goes. */
export function withCredentials(
  inner: Transport,
  headers: CredentialHeaders,
  { clock, onFailure }: CredentialOptions,
): Transport {
  if (typeof headers !== "function") {
    const own = Object.freeze(Object.fromEntries(merge(undefined, headers)));
    return unaryTransport((call) =>
      forward(inner, { ...call, header: call.header === undefined ? own : merge(call.header, own) }),
    );
  }
  const report = new FailureReport(clock, onFailure);
  return unaryTransport(async (call) => {
    const fetched = raceAbort(Promise.resolve().then(headers), call.signal); // within the bound, so that no timer stays
    const leftMs = Math.max(0, timeLeftMs(call.context, clock) - MIN_TRY_MS);
    const late = () => new CredentialsError("no headers within the deadline");
    const bounded = Number.isFinite(leftMs) ? raceTimeout(fetched, clock, leftMs, late) : fetched;
    let own: Headers;
    try {
      own = merge(call.header, await bounded);
      report.succeeded();
    } catch (error) {
      if (call.signal?.aborted) throw error;
      report.failed(error, error instanceof UnsetHeaderError ? error.message : undefined);
      throw new CredentialsError("the function given as `headers` failed");
    }
    return forward(inner, { ...call, header: own });
  });
}

/** Our own credentials could not be had, and no upstream was asked. What the function threw is left out, it may hold a secret. */
class CredentialsError extends UnavailableError {
  constructor(message: string) {
    super([]);
    this.message = message;
  }
}

/** A header that was made with a variable that is not set. Its message shows no value. */
class UnsetHeaderError extends TypeError {
  constructor(name: string, unset: string) {
    const header = /^[\w-]{1,40}$/.test(name) ? `the header ${name}` : "a header";
    super(`${header} is ${unset}: its variable is not set`);
  }
}

function merge(header: ConstructorParameters<typeof Headers>[0], own: Readonly<Record<string, string>>): Headers {
  const merged = new Headers(header);
  for (const [name, value] of Object.entries(own)) {
    const unset = typeof value === "string" && value !== "" ? unsetIn(name, value) : "nothing";
    if (unset !== undefined) throw new UnsetHeaderError(name, unset);
    merged.set(name, value);
  }
  return merged;
}
