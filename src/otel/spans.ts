import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { VerifiedToken } from "../auth/model.js";
import type { AnswerListener, QuestionKind, QuestionMessage } from "../auth/question-channel.js";
import { channels, type Wrapped } from "../runtime/channels.js";
import { isPromise } from "../runtime/is-promise.js";
import type { CallMessage } from "../transport/call-channel.js";
import { answerOf, outcomeOf, rpcEndOf, rpcOf } from "./attributes.js";
import type { Subscriber } from "./subscriber.js";

/** What a span of a verified token says of its user. */
export type SpanAttributes = (auth: VerifiedToken) => Attributes;

const NAMES: Readonly<Record<QuestionKind, string>> = {
  token: "portero.verify",
  locals: "portero.locals",
  permissions: "portero.permissions",
  organization: "portero.organization",
};

/** The key of `suppressTracing` of `@opentelemetry/core`, in all its versions: keys of one name are the same. */
const SUPPRESSED = createContextKey("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

/** An answer of the service, though not the one that was hoped for. */
const REFUSALS: readonly (string | undefined)[] = ["invalid_token", "inactive_user", "lookup_refused"];

export interface SpanOptions {
  readonly tracer: Tracer;
  readonly answerListeners: Set<AnswerListener>;
  readonly spanAttributes: SpanAttributes | undefined;
}

/** Makes spans of questions and of tries over gRPC, and sends their context with each try. */
export function makeSpans(subscriber: Subscriber, options: SpanOptions): void {
  traceQuestions(subscriber, options);
  traceCalls(subscriber, options.tracer);
  // Redis' connection and pings, and the log of invalidations, would be traces of their own, several in a second.
  subscriber.onAny<Wrapped>(channels.background, (message) => {
    const silent = context.active().setValue(SUPPRESSED, true);
    message.runIn((run) => context.with(silent, run));
  });
}

/** The spans of messages. What is under way when the subscriber stops ends with it, else it would never be exported. */
class Spans {
  readonly #of = new WeakMap<object, Span>();
  readonly #open = new Set<Span>();

  constructor(subscriber: Subscriber) {
    subscriber.until(() => {
      for (const span of this.#open) span.end();
      this.#open.clear();
    });
  }

  get(message: object): Span | undefined {
    return this.#of.get(message);
  }

  begin(message: object, span: Span): void {
    this.#of.set(message, span);
    this.#open.add(span);
  }

  end(span: Span): void {
    this.#open.delete(span);
    span.end();
  }
}

function traceQuestions(subscriber: Subscriber, { tracer, answerListeners, spanAttributes }: SpanOptions): void {
  const spans = new Spans(subscriber);
  subscriber.on<QuestionMessage>(channels.question.start, (question) => {
    const active = context.active();
    const { span, within } = question.isRefresh ? renewal(tracer, active) : waited(tracer, active, question);
    spans.begin(question, span);
    question.runIn((run) => context.with(within, run));
  });
  subscriber.on<QuestionMessage>(channels.question.asyncEnd, (question) => {
    const span = spans.get(question);
    if (!span) return;
    const { joined, errorType } = question;
    const other = joined && spans.get(joined);
    if (other) span.addLink({ context: other.spanContext() });
    span.setAttributes(answerOf(question));
    if (errorType !== undefined && errorType !== "aborted" && !REFUSALS.includes(errorType))
      span.setStatus({ code: SpanStatusCode.ERROR });
    spans.end(span);
  });
  if (!spanAttributes) return;
  const listener: AnswerListener = (question, auth) => {
    const attributes: unknown = spanAttributes(auth);
    if (isPromise(attributes))
      attributes.then(undefined, () => undefined); // of an async function: too late, and it may reject
    else spans.get(question)?.setAttributes(attributes as Attributes);
  };
  answerListeners.add(listener);
  subscriber.until(() => void answerListeners.delete(listener));
}

interface Begun {
  readonly span: Span;
  readonly within: Context;
}

function waited(tracer: Tracer, active: Context, { kind, fresh }: QuestionMessage): Begun {
  const attributes = { "portero.fresh": fresh };
  const span = tracer.startSpan(NAMES[kind], { kind: SpanKind.INTERNAL, attributes }, active);
  return { span, within: trace.setSpan(active, span) };
}

/** No request waits for it: a trace of its own, with a link to the request that set it off. */
function renewal(tracer: Tracer, active: Context): Begun {
  const by = trace.getSpanContext(active);
  const options = { kind: SpanKind.INTERNAL, root: true, links: by ? [{ context: by }] : [] };
  const base = ROOT_CONTEXT.setValue(SUPPRESSED, active.getValue(SUPPRESSED));
  const span = tracer.startSpan("portero.renew", options, base);
  return { span, within: trace.setSpan(base, span) };
}

function traceCalls(subscriber: Subscriber, tracer: Tracer): void {
  const spans = new Spans(subscriber);
  subscriber.on<CallMessage>(channels.call.start, (call) => {
    let within = context.active();
    if (call.upstream === "grpc") {
      const attributes = rpcOf(call);
      const span = tracer.startSpan(`${attributes["rpc.method"]}`, { kind: SpanKind.CLIENT, attributes }, within);
      spans.begin(call, span);
      within = trace.setSpan(within, span);
      call.runIn((run) => context.with(within, run));
    }
    // Over REST, an instrumentation of node:http has a span of its own, and puts its context in the place of this one.
    // Without the baggage, which a request may bring along, from anybody, or the application may have put users into.
    propagation.inject(propagation.deleteBaggage(within), call, setter);
  });
  subscriber.on<CallMessage>(channels.call.asyncEnd, (call) => {
    const span = spans.get(call);
    if (!span) return;
    const { outcome } = call;
    span.setAttributes({ ...outcomeOf(call), ...rpcEndOf(call) });
    if (outcome !== "answered" && outcome !== "refused" && outcome !== "cancelled")
      span.setStatus({ code: SpanStatusCode.ERROR });
    spans.end(span);
  });
}

const setter = {
  set(call: CallMessage, name: string, value: string): void {
    call.setHeader(name, value);
  },
};
