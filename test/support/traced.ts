import { type Attributes, context, propagation, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

/** One span that has ended, as tests look at it. Parents and links are ids of spans. */
export interface SeenSpan {
  /** Of the provider that made it. */
  readonly by: string;
  readonly name: string;
  readonly kind: string;
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
  readonly links: readonly string[];
  readonly isError: boolean;
  readonly attributes: Attributes;
}

/** The real SDK of one service, which remembers its spans. */
export class TestTraces {
  readonly by: string;
  readonly #exporter = new InMemorySpanExporter();
  readonly provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })] });

  constructor(by: string) {
    this.by = by;
  }

  /** In the order in which they ended. */
  get spans(): SeenSpan[] {
    return this.#exporter.getFinishedSpans().map((span) => seen(this.by, span));
  }

  named(name: string): SeenSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  forget(): void {
    this.#exporter.reset();
  }
}

function seen(by: string, span: ReadableSpan): SeenSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    by,
    name: span.name,
    kind: SpanKind[span.kind] as string,
    trace: traceId,
    id: spanId,
    parent: span.parentSpanContext?.spanId,
    links: span.links.map((link) => link.context.spanId),
    isError: span.status.code === SpanStatusCode.ERROR,
    attributes: span.attributes,
  };
}

/** What an SDK registers when it starts; returns what takes it back. */
export function registerContext(): () => void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()];
  propagation.setGlobalPropagator(new CompositePropagator({ propagators }));
  return () => {
    context.disable();
    propagation.disable();
  };
}
