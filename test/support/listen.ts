import type { AddressInfo, ListenOptions, Server } from "node:net";

/** Resolves to the port, on this machine alone. */
export async function listen(server: Server, port = 0, options: ListenOptions = {}): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...options, port, host: "127.0.0.1" }, resolve);
  });
  return (server.address() as AddressInfo).port;
}
