import { type AskingProcess, launchAskers } from "./kit/askers.js";
import type { Bench } from "./kit/bench.js";
import { compareClients } from "./kit/compare-clients.js";
import { Processes } from "./kit/process.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";
import type { GrpcClientKind, GrpcClientOptions } from "./subjects/grpc-client.js";

const KINDS = ["bare connect-node", "portero", "@grpc/grpc-js"] as const satisfies GrpcClientKind[];
const TARGET = 1.15;

export const coldGrpc: Bench = {
  name: "cold-grpc",
  question: "What does a new token cost, over gRPC?",
  setup:
    "Clients in processes of their own ask the same auth service for 4,000 tokens in turn. The bare ones make the call with a time-out " +
    "and parse the answer, no more; portero remembers 1,000, so that every one is new to it, and does all that it does.",
  async run(context) {
    await using processes = new Processes();
    const service = await processes.launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url));
    const { grpc: grpcUrl } = await service.call("urls");
    const subject = new URL("./subjects/grpc-client.ts", import.meta.url);
    const { clients, asked } = await launchAskers(KINDS, (kind) =>
      processes.launch<AskingProcess>(subject, { kind, grpcUrl } satisfies GrpcClientOptions),
    );
    const { figures, ratios } = await compareClients(
      clients,
      [
        { of: "portero", with: "bare connect-node", latencyAtMost: TARGET, timeAtMost: TARGET, cpuAtMost: TARGET },
        { of: "portero", with: "@grpc/grpc-js" },
      ],
      context,
    );
    const { grpc: calls } = await service.call("takeTraffic");
    return {
      figures,
      ratios,
      counts: [
        { what: "verifications without a call, or with two", is: Math.abs(asked() - calls), target: { exactly: 0 } },
      ],
    };
  },
};
