import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { currentTls, type TlsOptions, type TlsSource } from "../runtime/tls-options.js";

const CONNECT_TIMEOUT_MS = 1000;

/** Whether a connection is accepted at the URL's address. */
export function isReachable(url: string, tls: TlsSource | undefined): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  let secure: TlsOptions | undefined;
  try {
    secure = currentTls(tls);
  } catch {
    return Promise.resolve(false);
  }
  return new Promise((resolve) => {
    const socket =
      protocol === "https:"
        ? connectTls({
            ...(secure as object),
            host,
            port: Number(port || 443),
            ...(isIP(host) ? {} : { servername: host }),
          })
        : connectTcp({ host, port: Number(port || 80) });
    const end = (reachable: boolean) => {
      socket.destroy();
      resolve(reachable);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => end(false));
    socket.once(protocol === "https:" ? "secureConnect" : "connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
