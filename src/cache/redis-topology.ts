import type { TlsSource } from "../runtime/tls-options.js";
import type { RedisCredentials, RedisHost, RedisTarget } from "./redis-target.js";

/** One server, and what a connection to it is made with: see `openLink` of redis-link.ts. */
export interface RedisEndpoint extends RedisHost, RedisCredentials {
  readonly database: number;
  /** Speak TLS, with these settings where there are any. */
  readonly secure: boolean;
  readonly tls: TlsSource | undefined;
}

/** A Redis that takes writes, as far as is known: only its answer to a write proves it. */
export interface RedisMaster extends RedisEndpoint {
  /**
   * `host:port`, by which masters of a cluster and those that Sentinel names are told apart. Behind one address (`redis://`, managed
   * Redis) another server may answer after a failover: the id stays, only what lies there tells.
   */
  readonly id: string;
}

/**
 * Knows which Redis to ask for a key: the address of the URL, the master that the sentinels name, or the one of a cluster that has the
 * key's slot. Never a replica.
 *
 * A connection of its own (one that blocks, for example) is made so, and anew each time it has ended:
 *
 * ```ts
 * const master = await topology.masterOf(key); // asks in the network where it must: each time on Sentinel; on a cluster after a doubt
 * const link = await openLink(master);
 * link.guard((chunk) => replies.accepts(chunk));
 * await link.connect();
 * ```
 *
 * When a command is refused with READONLY or MOVED, or the connection is lost, call `doubt()` and begin again after a pause.
 */
export interface RedisTopology {
  /** Rejects with a `NotConnectedError`, with a code where there is one, while no master can be named; within some three seconds. */
  masterOf(key: string): Promise<RedisMaster>;
  /** What is known of the masters is wrong: the next `masterOf` looks again. However often it is called, that is once in a second. */
  doubt(): void;
}

/** The address of a URL: all keys lie there. */
export function standaloneTopology(target: RedisTarget, tls: TlsSource | undefined): RedisTopology {
  const [host] = target.hosts;
  const master = masterAt(host as RedisHost, target, tls);
  return { masterOf: async () => master, doubt: () => undefined };
}

/** A master, with the credentials of the URL. */
export function masterAt({ host, port }: RedisHost, target: RedisTarget, tls: TlsSource | undefined): RedisMaster {
  const { credentials, database, secure } = target;
  return { id: idOf({ host, port }), host, port, ...credentials, database, secure, tls };
}

/** `host:port`, as log lines have it. */
export function idOf({ host, port }: RedisHost): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
