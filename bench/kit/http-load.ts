import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AuthServiceProcess } from "../subjects/auth-service.js";
import type { HttpServerProcess, ServerKind } from "../subjects/http-server.js";
import type { Context, Count, Figure, Findings, Ratio } from "./bench.js";
import { type LoadResult, load } from "./load.js";
import { type NodeBinary, nodes } from "./nodes.js";
import { Processes } from "./process.js";
import { inTurn } from "./rounds.js";
import { ratioOf, spreadOf } from "./spread.js";
import { signTokens } from "./tokens.js";

const USERS = 100;
const CONNECTIONS = 64;
const ROUNDS = 5;

interface Sample extends LoadResult {
  /** The server's CPU time for one request. */
  readonly cpuMicros: number;
}

/** A server and the one that it is held against, by throughput. */
export interface Comparison {
  readonly of: ServerKind;
  readonly with: ServerKind;
  readonly atLeast: number;
}

/** Puts servers of several kinds under the same load, in turn, on each version of Node. */
export async function compareServers(
  kinds: readonly ServerKind[],
  comparisons: readonly Comparison[],
  context: Context,
): Promise<Findings> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const counts: Count[] = [];
  for (const node of await nodes(context)) {
    const { samples, hits, requests } = await loadServers(kinds, node, context);
    const of = (kind: ServerKind, value: (sample: Sample) => number) => (samples[kind] ?? []).map(value);
    for (const kind of kinds) {
      const subject = `${kind}, ${node.name}`;
      figures.push(
        { subject, what: "requests/s", spread: spreadOf(of(kind, ({ perSecond }) => perSecond)) },
        { subject, what: "CPU of the server, µs/request", spread: spreadOf(of(kind, ({ cpuMicros }) => cpuMicros)) },
        { subject, what: "p99, ms", spread: spreadOf(of(kind, ({ p99 }) => p99)) },
      );
      const failed = of(kind, (sample) => sample.failed).reduce((sum, each) => sum + each, 0);
      counts.push({ what: `requests that failed: ${subject}`, is: failed, target: { exactly: 0 } });
    }
    for (const comparison of comparisons) {
      const [ours, theirs] = [of(comparison.of, throughput), of(comparison.with, throughput)];
      ratios.push({
        what: `requests/s of ${comparison.of} / ${comparison.with}, ${node.name}`,
        spread: ratioOf(ours, theirs),
        target: { atLeast: comparison.atLeast },
      });
    }
    counts.push({
      what: `requests that portero did not answer from the process, of ${USERS} users: ${node.name}`,
      is: requests - hits,
      target: { atMost: USERS + CONNECTIONS },
    });
  }
  return { figures, ratios, counts };
}

const throughput = ({ perSecond }: Sample) => perSecond;

async function loadServers(kinds: readonly ServerKind[], { path: node, name }: NodeBinary, context: Context) {
  const { tokens, publicKey, jwks } = await signTokens(USERS);
  const authorizations = tokens.map((token) => `Bearer ${token}`);
  const keys = createServer((_request, response) => response.end(JSON.stringify(jwks))).listen(0, "127.0.0.1");
  await once(keys, "listening");
  const jwksUri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`;
  keys.unref();
  await using processes = new Processes();
  const service = await processes.launch<AuthServiceProcess>(new URL("../subjects/auth-service.ts", import.meta.url));
  const { grpc: grpcUrl } = await service.call("urls");
  const loads = new Map<ServerKind, (seconds: number) => Promise<Sample>>();
  let ours: { cache: () => Promise<{ hits: number }>; requests: number } = {
    cache: async () => ({ hits: 0 }),
    requests: 0,
  };
  for (const kind of kinds) {
    const server = await processes.launch<HttpServerProcess>(
      new URL("../subjects/http-server.ts", import.meta.url),
      { kind, grpcUrl, jwksUri, publicKey },
      { node, env: { NODE_ENV: "production" } },
    );
    const url = await server.call("url");
    if (kind.startsWith("portero")) ours = { cache: () => server.call("cache"), requests: 0 };
    loads.set(kind, async (seconds) => {
      const before = await server.call("cpuMicros");
      const result = await load({ url, authorizations, connections: CONNECTIONS, seconds });
      if (kind.startsWith("portero")) ours.requests += result.requests;
      return { ...result, cpuMicros: ((await server.call("cpuMicros")) - before) / result.requests };
    });
  }
  const seconds = context.quick ? 1 : 4;
  const rounds = context.quick ? 1 : ROUNDS;
  for (const [kind, run] of loads) {
    context.progress(`${name}: warming up ${kind}`);
    await run(context.quick ? 1 : 2);
  }
  const subjects = Object.fromEntries([...loads].map(([kind, run]) => [kind, () => run(seconds)]));
  const progress = (text: string) => context.progress(`${name}: ${text}`);
  const samples = (await inTurn(subjects, rounds, { progress })) as Partial<Record<ServerKind, Sample[]>>;
  return { samples, hits: (await ours.cache()).hits, requests: ours.requests };
}
