import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { startGrpcJs } from "./grpc-js-server.js";
import type { TestTraces } from "./traced.js";

/** An auth service over gRPC of another implementation, which makes a span of each call in the trace that came with it. */
export function startTracedGrpc(traces: TestTraces) {
  const tracer = traces.provider.getTracer("auth-service");
  return startGrpcJs({
    VerifyToken(call, callback) {
      const headers = call.metadata.getMap();
      const span = tracer.startSpan("verify", { kind: SpanKind.SERVER }, propagation.extract(ROOT_CONTEXT, headers));
      context.with(trace.setSpan(ROOT_CONTEXT, span), () => {
        span.end();
        callback(null, { user_id: "ana", organization_id: "org-1", is_active: true });
      });
    },
  });
}
