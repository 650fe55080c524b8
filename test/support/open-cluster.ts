import { RedisCluster } from "../../src/cache/redis-cluster.js";
import { parseRedisUrl, type RedisTarget } from "../../src/cache/redis-target.js";
import { type FakeNode, type FakeNodes, slotEntry, startFakeCluster } from "./fake-cluster.js";
import { ManualClock } from "./manual-clock.js";
import { afterwards } from "./open-client.js";

export interface OpenClusterOptions {
  /** Default 3: two masters with half of the slots each, and one that has none. */
  count?: number;
  /** What the URL says besides. */
  target?: Partial<RedisTarget>;
  /** What its nodes say of its slots. */
  slots?: (...nodes: FakeNodes) => unknown;
  /** Before it is opened. */
  prepare?: (...nodes: FakeNodes) => void;
}

const halves = (first: FakeNode, second: FakeNode) => [
  slotEntry(0, 8191, first, ["127.0.0.1", 1, "replica", []]),
  slotEntry(8192, 16_383, second),
];

/** A cluster on nodes that are played, on a clock that stands still, and what it told. */
export async function openCluster({ count = 3, target, slots = halves, prepare }: OpenClusterOptions = {}) {
  const fake = await startFakeCluster(count);
  afterwards(() => fake.close());
  const [first, second, third] = fake.nodes;
  fake.slots = slots(...fake.nodes);
  prepare?.(...fake.nodes);
  const clock = new ManualClock();
  const closing = new AbortController();
  const told = { noCluster: 0, changed: 0, connected: 0, takenOver: 0 };
  const cluster = new RedisCluster({
    target: { ...(parseRedisUrl(fake.url) as RedisTarget), ...target },
    tls: undefined,
    asking: { clock, signal: closing.signal },
    clock,
    random: () => 0,
    pingIntervalMs: 10_000,
    onNoCluster: () => void told.noCluster++,
  });
  const close = () => {
    closing.abort();
    return cluster.close();
  };
  afterwards(close);
  cluster.store.parts?.onChanged(() => void told.changed++);
  cluster.store.onConnected?.(() => void told.connected++);
  cluster.onTakenOver(() => void told.takenOver++);
  /** The map is doubted, and got anew when its time has come. */
  const renew = async (renewed: unknown) => {
    fake.slots = renewed;
    cluster.topology.doubt();
    const looked = cluster.topology.masterOf("").catch(() => undefined);
    await clock.advance(1000);
    await looked;
  };
  return { fake, first, second, third, clock, told, cluster, close, renew };
}
