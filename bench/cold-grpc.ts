import { type AskingProcess, launchAskers } from "./kit/askers.js";
import type { Bench } from "./kit/bench.js";
import { compareClients } from "./kit/compare-clients.js";
import { type NodeBinary, nodes } from "./kit/nodes.js";
import { Processes } from "./kit/process.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";
import type { GrpcClientKind, GrpcClientOptions } from "./subjects/grpc-client.js";

const KINDS = ["bare connect-node", "portero", "@grpc/grpc-js"] as const satisfies GrpcClientKind[];
/** Of bare grpc-js, which makes the same call and no more. */
const LATENCY = 1.1;
const CPU: Readonly<Record<string, number>> = { "Node 20": 1.2, "Node 24": 1.3 };

export const coldGrpc: Bench = {
  name: "cold-grpc",
  question: "What does a token cost that is not known yet, over gRPC?",
  setup:
    "Clients in processes of their own ask the same auth service for 4,000 tokens in turn. The bare ones make the call with a time-out " +
    "and parse the answer, no more; portero remembers 1,000, so that every one is new to it, and does all that it does. As by " +
    "default it has two connections to the one address, and a call can leave one for the other. Without a name " +
    "the Node is the one that is named below. Pauses of the garbage collector (GC) are of the client's process, the median and the longest of a round.",
  async run(context) {
    await using processes = new Processes();
    const service = await processes.launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url));
    const { grpc: grpcUrl } = await service.call("urls");
    const subject = new URL("./subjects/grpc-client.ts", import.meta.url);
    const compareOn = async (node: NodeBinary) => {
      const suffix = node.path === process.execPath ? "" : `, ${node.name}`;
      const named = (kind: GrpcClientKind) => `${kind}${suffix}`;
      const kinds = new Map(KINDS.map((kind) => [named(kind), kind]));
      const { clients, asked } = await launchAskers([...kinds.keys()], (name) => {
        const options: GrpcClientOptions = { kind: kinds.get(name) as GrpcClientKind, grpcUrl };
        return processes.launch<AskingProcess>(subject, options, { node: node.path });
      });
      const cpuAtMost = CPU[node.name];
      const comparisons = [
        {
          of: named("portero"),
          with: named("@grpc/grpc-js"),
          latencyAtMost: LATENCY,
          timeAtMost: LATENCY,
          ...(cpuAtMost !== undefined && { cpuAtMost }),
        },
        { of: named("portero"), with: named("bare connect-node") },
      ];
      return { ...(await compareClients(clients, comparisons, context)), asked: asked() };
    };
    const found = [];
    for (const node of await nodes(context)) found.push(await compareOn(node));
    const asked = found.reduce((sum, each) => sum + each.asked, 0);
    const { grpc: calls } = await service.call("takeTraffic");
    return {
      figures: found.flatMap(({ figures }) => figures),
      ratios: found.flatMap(({ ratios }) => ratios),
      counts: [
        { what: "verifications without a call, or with two", is: Math.abs(asked - calls), target: { exactly: 0 } },
      ],
    };
  },
};
