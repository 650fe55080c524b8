import { type AskingProcess, launchAskers } from "./kit/askers.js";
import type { Bench } from "./kit/bench.js";
import { compareClients } from "./kit/compare-clients.js";
import { Processes } from "./kit/process.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";
import type { RestClientKind, RestClientOptions } from "./subjects/rest-client.js";

const KINDS = ["bare got", "portero"] as const satisfies RestClientKind[];
const TARGET = 1.15;

export const restFallback: Bench = {
  name: "rest-fallback",
  question: "What does a new token cost, over REST while gRPC is out?",
  setup:
    "Clients in processes of their own ask the same auth service for 4,000 tokens in turn: portero with the breaker of gRPC open, which " +
    "remembers 1,000, so that every one is new to it, and a bare call of got: JSON there and back, kept-alive connections, a time-out. " +
    "The target is for one call at a time, which is what a request waits for.",
  async run(context) {
    await using processes = new Processes();
    const service = await processes.launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url));
    const { rest: restUrl } = await service.call("urls");
    const subject = new URL("./subjects/rest-client.ts", import.meta.url);
    const { clients, asked } = await launchAskers(KINDS, (kind) =>
      processes.launch<AskingProcess>(subject, { kind, restUrl } satisfies RestClientOptions),
    );
    await service.call("takeTraffic"); // what opened the breaker
    const { figures, ratios } = await compareClients(
      clients,
      [{ of: "portero", with: "bare got", latencyAtMost: TARGET }],
      context,
    );
    const { rest, grpc } = await service.call("takeTraffic");
    return {
      figures,
      ratios,
      counts: [
        { what: "verifications without a request, or with two", is: Math.abs(asked() - rest), target: { exactly: 0 } },
        { what: "calls over gRPC", is: grpc, target: { exactly: 0 } },
      ],
    };
  },
};
