import * as net from "node:net";
import * as tls from "node:tls";
import { currentTls, type TlsSource } from "../runtime/tls-options.js";

/**
 * A socket on its way to a gRPC server. In TLS it asks for the name in the URL, and holds the certificate against that.
 *
 * @param address an IP address that the name was looked up to. Default: the name is looked up here
 * @throws TlsSettingsError
 */
export function dial(url: URL, options: TlsSource | undefined, address?: string): net.Socket {
  const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const host = address ?? name;
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  if (!secure) return net.connect({ host, port });
  // An IP address is no name to ask for (RFC 6066 §3); the certificate is held against it all the same.
  const servername = net.isIP(name) ? undefined : { servername: name };
  return tls.connect({
    ...(currentTls(options) as tls.SecureContextOptions),
    ...servername,
    host,
    port,
    ALPNProtocols: ["h2"],
  });
}
