import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** RFC 1918, RFC 4193, link-local, and "this host" of RFC 1122. */
const PRIVATE = new BlockList();
PRIVATE.addSubnet("10.0.0.0", 8);
PRIVATE.addSubnet("172.16.0.0", 12);
PRIVATE.addSubnet("192.168.0.0", 16);
PRIVATE.addSubnet("169.254.0.0", 16);
PRIVATE.addAddress("0.0.0.0");
PRIVATE.addAddress("::", "ipv6");
PRIVATE.addSubnet("fc00::", 7, "ipv6");
PRIVATE.addSubnet("fe80::", 10, "ipv6");

/** `.cluster.local` among them; `.localhost` and `.invalid`, which is nowhere, by RFC 6761. */
const LOCAL_SUFFIX = /\.(local|internal|svc|localhost|invalid)$/;

/** `loopback`: an address of this machine. `private`: an address or a name that means something within one network alone. */
export type Reach = "loopback" | "private" | "public";

/** Where the host of a URL can be reached from, as far as the URL tells: no name server is asked. */
export function reachOf(url: string): Reach {
  const host = new URL(url).hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
  const version = isIP(host);
  if (version !== 0) {
    const family = version === 6 ? "ipv6" : "ipv4";
    return LOOPBACK.check(host, family) ? "loopback" : PRIVATE.check(host, family) ? "private" : "public";
  }
  return !host.includes(".") || LOCAL_SUFFIX.test(host) ? "private" : "public";
}
