// An application with the instrumentation of node:http, an auth service over gRPC and one over REST: a request of each, and the spans.
import { createRequire } from "node:module";
import { metrics, trace } from "@opentelemetry/api";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { registerContext, TestTraces } from "../support/traced.js";
import { until } from "../support/until.js";

registerContext();
const app = new TestTraces("app");
trace.setGlobalTracerProvider(app.provider);
const instrumentation = new HttpInstrumentation();
instrumentation.setTracerProvider(app.provider);
instrumentation.setMeterProvider(metrics.getMeterProvider());
createRequire(import.meta.url)("node:http"); // the instrumentation sees it loaded

const { default: express } = await import("express");
const { createAuthClient, requireAuth } = await import("../../src/index.js");
const { instrument } = await import("../../src/otel.js");
const { startAuthService } = await import("../../src/testing.js");
const { startTracedGrpc } = await import("../support/traced-auth-service.js");

const auth = new TestTraces("auth");
const grpc = await startTracedGrpc(auth);
const service = await startAuthService({ users: { "token-ana": { id: "ana" } } });
const clients = {
  grpc: createAuthClient({ grpc: { url: grpc.url, hedgeMs: 0, timeoutMs: 30_000 }, logger: false }),
  rest: createAuthClient({ rest: { ...service.upstreams.rest, timeoutMs: 30_000 }, logger: false }),
};
const seen: Record<string, unknown> = {};
for (const [name, client] of Object.entries(clients)) {
  instrument(client);
  const handler = express().use(requireAuth({ client }), (_req, res) => void res.end());
  const server = handler.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const ask = () => fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: "Bearer token-ana" } }); // not by node:http
  const { status } = await ask();
  await until(() => app.named("GET").length === 1); // the response is here before its span has ended
  const asked = [...app.spans, ...auth.spans];
  app.forget();
  await ask();
  await until(() => app.named("GET").length === 1);
  seen[name] = { status, asked, hit: app.spans };
  app.forget();
  auth.forget();
  server.close();
  server.closeAllConnections();
  await client.close();
}
grpc.close();
await service.close();
process.stdout.write(JSON.stringify(seen), () => process.exit());
