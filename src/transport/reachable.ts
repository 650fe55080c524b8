import { systemClock } from "../runtime/clock.js";
import { meetPeer } from "../runtime/peer.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { fromNetworkError } from "./rest-outcome.js";

const CONNECT_TIMEOUT_MS = 1000;

/** Resolves when a connection is accepted at the URL's address of REST; rejects with an `UpstreamError`. */
export async function reach(url: string, tls: TlsSource | undefined): Promise<void> {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === "https:";
  const at = {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (secure ? 443 : 80)),
    secure,
    tls,
    protocols: ["http/1.1"],
  };
  try {
    await meetPeer(at, { clock: systemClock, timeoutMs: CONNECT_TIMEOUT_MS });
  } catch (error) {
    throw fromNetworkError(error);
  }
}
