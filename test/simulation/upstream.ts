import type { DescMessage, DescMethodUnary, Message, MessageShape } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { classifyTransport } from "../../src/transport/grpc.js";
import type { Operation } from "../../src/transport/operation.js";
import { type Upstream, UpstreamError } from "../../src/transport/outcome.js";
import { fromNetworkError } from "../../src/transport/rest-outcome.js";
import type { Authority } from "./authority.js";
import { grpcFault, grpcReset, grpcTruth } from "./grpc-replies.js";
import type { Random } from "./random.js";
import type { Question, Try, TryResult } from "./records.js";
import { cut, type Reply, timedOut } from "./reply.js";
import { restFault, restTruth } from "./rest-replies.js";
import type { VirtualClock } from "./virtual-clock.js";
import { drawPlan, type Plan, type Weather } from "./weather.js";

/** Who is told of every call that leaves the pipeline. */
export interface CallObserver {
  began(call: {
    upstream: Upstream;
    question: Question;
    timeoutMs: number | undefined;
    header: Headers;
    context: ContextValues | undefined;
  }): Try;
  /** Told once for each try: what comes later is too late. */
  ended(attempt: Try, result: TryResult): void;
}

export interface SimulatedUpstreamOptions {
  upstream: Upstream;
  authority: Authority;
  clock: VirtualClock;
  random: Random;
  weather: () => Weather;
  observer: CallObserver;
  questionOf: (operation: Operation, message: unknown) => Question;
}

/** The end of a pipeline: answers what the authority says, or fails as the weather is. Throws what the real leaves throw. */
export function simulatedUpstream(options: SimulatedUpstreamOptions): Transport {
  const { upstream, clock, random, observer, authority } = options;
  /** How each call that is under way falls with all others. */
  const falls = new Map<Try, () => void>();

  function unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: ConstructorParameters<typeof Headers>[0],
    message: unknown,
    context: ContextValues | undefined,
  ): Promise<UnaryResponse<I, O>> {
    const question = options.questionOf(method.name as Operation, message);
    const attempt = observer.began({ upstream, question, timeoutMs, header: new Headers(header), context });
    const { token } = question;
    const plan = drawPlan(random, options.weather(), {
      timeoutMs: timeoutMs ?? 1000,
      underWay: falls.size,
      isIssued: token === undefined || authority.tokens.has(token),
    });
    return new Promise((resolve, reject) => {
      const end = (result: TryResult) => {
        falls.delete(attempt);
        if (!attempt.ended) observer.ended(attempt, result);
      };
      const loseUnprocessed = () => {
        end({ kind: "unprocessed" });
        reject(new Lost(upstream));
      };
      falls.set(attempt, () => {
        if (random.chance(0.3)) return loseUnprocessed();
        end(cut);
        reject(upstream === "grpc" ? grpcReset() : fromNetworkError({ name: "RequestError", code: "ECONNRESET" }));
      });
      signal?.addEventListener("abort", () => {
        end(isTimeout(signal.reason) ? timedOut : { kind: "abandoned" });
        if (plan.obeys) reject(signal.reason);
      });
      if (plan.obeys && timeoutMs !== undefined && plan.latencyMs > timeoutMs) {
        // Timers of the machine are whole milliseconds: one may fire a little before ours.
        clock.after(timeoutMs - random.ms(0, 0.5), () => {
          end(timedOut);
          reject(ownTimeout());
        });
        return;
      }
      if (!Number.isFinite(plan.latencyMs)) return;
      if (plan.course === "reset") {
        clock.after(plan.latencyMs, () => {
          for (const fall of attempt.ended ? [] : [...falls.values()]) fall();
        });
        return;
      }
      if (plan.course === "unprocessed") {
        clock.after(plan.latencyMs, () => void (attempt.ended || loseUnprocessed()));
        return;
      }
      const early = plan.looksFirst ? look(question, plan) : undefined;
      clock.after(plan.latencyMs, () => {
        const { reply, lookedAt } = early ?? look(question, plan);
        end(resultOf(reply, lookedAt, question, attempt));
        try {
          resolve(response(method, reply.ending() as MessageShape<O>));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  function look(question: Question, { course }: Plan): { reply: Reply; lookedAt: number } {
    const lookedAt = clock.time;
    if (course === "reset" || course === "unprocessed") throw new TypeError("nobody looks at what is lost");
    if (course !== "truth" && course !== "refusal") {
      return { lookedAt, reply: (upstream === "grpc" ? grpcFault : restFault)(random, question, course) };
    }
    const judgement = course === "refusal" ? ({ kind: "refused" } as const) : authority.judge(question);
    return { lookedAt, reply: (upstream === "grpc" ? grpcTruth : restTruth)(random, question, judgement) };
  }

  function ownTimeout(): Error {
    return upstream === "grpc"
      ? new ConnectError("the operation timed out", Code.DeadlineExceeded)
      : fromNetworkError({ name: "TimeoutError", code: "ETIMEDOUT" });
  }

  const leaf: Transport = { unary, stream: () => Promise.reject(new Error("no streams here")) };
  return upstream === "grpc" ? passingLosses(leaf) : leaf;
}

/** What the leaf itself knows to be unprocessed. */
class Lost extends UpstreamError {
  constructor(upstream: Upstream) {
    super(upstream, "unreachable", "lost", { network: true, unprocessed: true });
  }
}

/** gRPC's errors are classified, but for those that are classified already. */
function passingLosses(leaf: Transport): Transport {
  return {
    async unary(...call) {
      let lost: Lost | undefined;
      const watched: Transport = {
        ...leaf,
        unary: (...inner) =>
          leaf.unary(...inner).catch((error: unknown) => {
            if (error instanceof Lost) lost = error;
            throw error;
          }),
      };
      return classifyTransport(watched)
        .unary(...call)
        .catch((error: unknown) => {
          throw lost ?? error;
        });
    },
    stream: leaf.stream,
  };
}

function resultOf({ meaning }: Reply, lookedAt: number, question: Question, attempt: Try): TryResult {
  if (meaning.kind === "answer") return { kind: "answer", answer: { question, attempt, lookedAt, body: meaning.body } };
  return meaning.kind === "refused" ? { ...meaning, lookedAt } : meaning;
}

function response<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  message: MessageShape<O> & Message,
): UnaryResponse<I, O> {
  return { stream: false, service: method.parent, method, header: new Headers(), message, trailer: new Headers() };
}

function isTimeout(reason: unknown): boolean {
  return (reason as { code?: unknown } | null)?.code === Code.DeadlineExceeded;
}
