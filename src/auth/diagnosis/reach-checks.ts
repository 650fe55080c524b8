import type { Clock } from "../../runtime/clock.js";
import { meetPeer } from "../../runtime/peer.js";
import type { Upstream } from "../../transport/outcome.js";
import { fromNetworkError } from "../../transport/rest-outcome.js";
import type { GrpcConfig, RestConfig } from "../config/upstreams.js";
import { hintOf } from "../failure-hints.js";
import type { Findings, Waits } from "./diagnosis.js";
import { checkPeers, type Host } from "./peer-checks.js";

/** For a look-up of a name, and for a connection, in milliseconds. */
const CONNECT_MS = 1000;
/** What fails in a handshake that both sides know how to hold. */
const OF_CERTIFICATES = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_)|ALERT/;

export interface ReachOptions {
  readonly upstream: Upstream;
  readonly grpc: GrpcConfig | undefined;
  readonly rest: RestConfig | undefined;
  readonly findings: Findings;
  readonly waits: Waits;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

interface UrlHost extends Host {
  readonly url: string;
}

/** Name, connection and TLS of each URL. Resolves with the URLs that were reached; `undefined`: others make the connections. */
export async function checkReach(options: ReachOptions): Promise<readonly string[] | undefined> {
  const { upstream, grpc, rest, findings, waits, clock, signal } = options;
  const isGrpc = upstream === "grpc";
  const all = isGrpc ? (grpc?.urls ?? []) : rest?.agent ? [] : [rest?.url ?? ""];
  if (all.length === 0) {
    const what = isGrpc ? "a transport of its own" : "an agent of its own";
    findings.skipped("connection", `${what} makes the connections`);
    return undefined;
  }
  const groups = [true, false].map((secure) => ({
    secure,
    urls: all.filter((url) => /^https:/i.test(url) === secure),
  }));
  const reached = await Promise.all(
    groups.map(({ secure, urls }) =>
      checkPeers(urls.map(hostIn), {
        ...{ findings, waits, clock, signal, timeoutMs: CONNECT_MS, secure },
        tls: isGrpc ? grpc?.tls : rest?.tls,
        protocols: [isGrpc ? "h2" : "http/1.1"],
        codeOf: (error) => fromNetworkError(error).detail,
        fixFor: (detail) => hintOf(upstream, { detail }),
      }),
    ),
  );
  return reached.flat().map(({ url }) => url);
}

/** Whether there is TLS at the port of a URL that asks for none. */
export async function takesTls(url: string, { waits, clock, signal }: ReachOptions): Promise<boolean> {
  const { host, port } = hostIn(url);
  const met = meetPeer({ host, port, secure: true }, { clock, timeoutMs: CONNECT_MS, signal });
  try {
    await waits.for(`a connection to ${host}:${port} with TLS (${CONNECT_MS / 1000} s at most)`, met);
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    return OF_CERTIFICATES.test(fromNetworkError(error).detail);
  }
}

function hostIn(url: string): UrlHost {
  const { protocol, hostname, port } = new URL(url);
  return { url, host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (protocol === "https:" ? 443 : 80)) };
}
