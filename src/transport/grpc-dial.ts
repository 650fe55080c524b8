import * as net from "node:net";
import * as tls from "node:tls";
import { currentTls, type TlsSource } from "../runtime/tls-options.js";

/**
 * A socket on its way to a gRPC server.
 *
 * @throws TlsSettingsError
 */
export function dial(url: URL, options: TlsSource | undefined): net.Socket {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  if (!secure) return net.connect({ host, port });
  // An IP address is no name to ask for (RFC 6066 §3); the certificate is held against it all the same.
  const servername = net.isIP(host) ? undefined : { servername: host };
  return tls.connect({
    ...(currentTls(options) as tls.SecureContextOptions),
    ...servername,
    host,
    port,
    ALPNProtocols: ["h2"],
  });
}
