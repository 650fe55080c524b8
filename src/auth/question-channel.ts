import type { AskedQuestion, Ending, QuestionTraits, QuestionWatch } from "../cache/question-watch.js";
import type { AnswerSource } from "../cache/spec.js";
import { channels, Traced, trace } from "../runtime/channels.js";
import type { Clock } from "../runtime/clock.js";
import { OverloadedError, UnavailableError } from "../transport/outcome.js";
import { AuthError } from "./errors.js";
import type { VerifiedToken } from "./model.js";

/** What a question is about: the name of its cache. */
export type QuestionKind = "token" | "locals" | "permissions" | "organization";

/** One question that the process could not answer at once, as `portero:question` tells of it. */
export class QuestionMessage extends Traced implements AskedQuestion {
  readonly kind: QuestionKind;
  /** It skips the caches. */
  readonly fresh: boolean;
  /** No request waits for it: an entry is getting old. */
  readonly isRefresh: boolean;
  /** Where the answer came from. */
  source: AnswerSource | undefined;
  /** Why there is no answer: a code of `AuthError`, or `aborted`. */
  errorType: string | undefined;
  joined: QuestionMessage | undefined;
  queuedMs: number | undefined;

  constructor(
    readonly client: object,
    { kind, fresh, isRefresh }: QuestionTraits,
  ) {
    super();
    this.kind = kind as QuestionKind;
    this.fresh = fresh;
    this.isRefresh = isRefresh;
  }
}

/** Told of each user that a question has brought: not on the channel, which all that runs in the process can hear. */
export type AnswerListener = (question: object, auth: VerifiedToken) => void;

export interface QuestionChannelOptions {
  readonly client: object;
  readonly clock: Clock;
  readonly listeners: ReadonlySet<AnswerListener>;
  /** The client's end. */
  readonly signal: AbortSignal;
}

/** Tells of the questions of one client, where anything listens. */
export function questionChannel({ client, clock, listeners, signal: closing }: QuestionChannelOptions): QuestionWatch {
  const monotonic = () => clock.monotonic();
  return {
    asks<T extends Ending>(traits: QuestionTraits, ask: (asked: AskedQuestion | undefined) => Promise<T>): Promise<T> {
      if (!channels.question.hasSubscribers) return ask(undefined);
      const message = new QuestionMessage(client, traits);
      const failed = (error: unknown) => {
        message.errorType = traits.signal?.aborted ? "aborted" : codeOf(error, closing);
      };
      return trace(channels.question, message, () => ask(message), {
        monotonic,
        answered(ending) {
          if (ending.kind === "refusal") message.errorType = String(ending.reason);
          else if (ending.kind !== "answer") failed(ending.error);
          else {
            message.source = ending.source;
            if (message.kind === "token") tell(listeners, message, ending.answer as VerifiedToken);
          }
        },
        failed,
      });
    },
  };
}

function tell(listeners: ReadonlySet<AnswerListener>, message: QuestionMessage, auth: VerifiedToken): void {
  for (const listener of listeners) {
    try {
      listener(message, auth);
    } catch {} // what it throws may hold the user
  }
}

/** The code with which the caller learns of it. */
function codeOf(error: unknown, closing: AbortSignal): string {
  if (error instanceof AuthError) return error.code;
  if (error instanceof OverloadedError) return "overloaded";
  return error instanceof UnavailableError || closing.aborted ? "auth_unavailable" : "other";
}
