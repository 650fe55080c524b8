import { type Clock, systemClock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { AuthClient } from "./auth-client.js";
import type { VerifiedToken } from "./model.js";
import type { AnswerListener } from "./question-channel.js";
import { RequestCounts } from "./request-counts.js";
import { isToken, type TokenSyntax } from "./token.js";
import { createTokenDigest, type TokenDigest } from "./token-digest.js";

/** Properties of a client that a middleware needs beside its methods. */
export interface ClientTraits {
  readonly isToken: TokenSyntax;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Time for one question, in milliseconds. */
  readonly deadlineMs: number;
  /** Whether an answer of this client is not to be used again: something contradicts it, or may. */
  mayBeVoid(auth: VerifiedToken): boolean;
  /** `client` of all messages about this client: see `channels.ts`. */
  readonly channelKey: object;
  readonly requests: RequestCounts;
  /** Told of each user that a question has brought. */
  readonly answerListeners: Set<AnswerListener>;
  /** Called once, when it is closed. */
  readonly closeListeners: Set<() => void>;
  /** The providers of OpenTelemetry that it is instrumented with. */
  readonly instrumentedWith: Set<object>;
  /** Of tokens, for logs. */
  readonly digestOf: TokenDigest;
}

/** The traits of clients that were not made here: those for tests, and the application's own. */
export const DEFAULT_TRAITS: ClientTraits = {
  isToken,
  logger: console,
  clock: systemClock,
  deadlineMs: 3000,
  mayBeVoid: () => false,
  channelKey: Object.freeze({}),
  requests: new RequestCounts(), // of no client in particular
  answerListeners: new Set(),
  closeListeners: new Set(), // nothing tells of their end
  instrumentedWith: new Set(),
  digestOf: createTokenDigest(undefined),
};

/** The same in both module formats of this package. */
const KEY: unique symbol = Symbol.for("portero.traits") as never;

/** Sets them on one of the client's functions: a copy of the client, `{ ...client, close }`, has them too, and a log of it shows none. */
export function setTraits(client: AuthClient, traits: ClientTraits): void {
  Object.defineProperty(client.status, KEY, { value: traits });
}

export function traitsOf(client: AuthClient): ClientTraits {
  return (client.status as undefined | { [KEY]?: ClientTraits })?.[KEY] ?? DEFAULT_TRAITS;
}
