import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { currentTls, type TlsOptions, type TlsSource } from "../runtime/tls-options.js";
import { fromNetworkError } from "./rest-outcome.js";

const CONNECT_TIMEOUT_MS = 1000;

/** Resolves when a connection is accepted at the URL's address of REST; rejects with an `UpstreamError`. */
export function reach(url: string, tls: TlsSource | undefined): Promise<void> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  let secure: TlsOptions | undefined;
  try {
    secure = currentTls(tls);
  } catch (error) {
    return Promise.reject(fromNetworkError(error));
  }
  return new Promise((resolve, reject) => {
    const socket =
      protocol === "https:"
        ? connectTls({
            ...(secure as object),
            host,
            port: Number(port || 443),
            ALPNProtocols: ["http/1.1"],
            ...(isIP(host) ? {} : { servername: host }),
          })
        : connectTcp({ host, port: Number(port || 80) });
    const fail = (error: Error) => {
      socket.destroy();
      reject(fromNetworkError(error));
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail(Object.assign(new Error("too late"), { code: "ETIMEDOUT" })));
    socket.once("error", fail);
    socket.once(protocol === "https:" ? "secureConnect" : "connect", () => {
      socket.destroy();
      resolve();
    });
  });
}
