import { SLOTS } from "../../cache/cluster-slots.js";
import type { RedisAddress } from "../../cache/redis.js";
import type { AskingOptions } from "../../cache/redis-ask.js";
import { inspectMaster, inspectSlots } from "../../cache/redis-inspection.js";
import { askSentinel } from "../../cache/redis-sentinel.js";
import type { RedisHost } from "../../cache/redis-target.js";
import { idOf, masterAt, type RedisMaster } from "../../cache/redis-topology.js";
import type { Clock } from "../../runtime/clock.js";
import { Findings, type Waits } from "./diagnosis.js";
import { MasterReport } from "./master-report.js";
import { checkPeers, type Host } from "./peer-checks.js";
import { codeOf, type Explained, fixOf, ofCommands, ofSentinel, ofSlots, silenceOf, textOf } from "./redis-failures.js";

/** For a look-up of a name, and for a connection, in milliseconds. */
const CONNECT_MS = 1000;
/** For all that is asked of one server, in milliseconds. */
const INSPECTION_MS = 2000;

const CONNECTING = /^connection timeout$/i;
const NOT_REACHED = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;
const BOUND = `${INSPECTION_MS / 1000} s at most`;

export interface RedisCheckOptions {
  readonly redis: RedisAddress;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly waits: Waits;
}

/** Looks at a Redis: from the names of its hosts to the rights of its user. */
export async function checkRedis(options: RedisCheckOptions): Promise<Findings> {
  const findings = new Findings("redis");
  const { target } = options.redis;
  if ((await connect(target.hosts, findings, options)).length === 0) return findings;
  if (target.kind === "cluster") await checkCluster(findings, options);
  else if (target.kind === "sentinel") await checkSentinels(findings, options);
  else await inspect([masterAt(target.hosts[0] as RedisHost, target, options.redis.tls)], findings, options);
  return findings;
}

function connect(
  hosts: readonly RedisHost[],
  findings: Findings,
  options: RedisCheckOptions,
): Promise<readonly Host[]> {
  const { redis, clock, signal, waits } = options;
  return checkPeers(hosts, {
    ...{ findings, waits, clock, signal, timeoutMs: CONNECT_MS },
    secure: redis.target.secure,
    tls: redis.tls,
    codeOf,
    fixFor: (code) => fixOf({ code }, redis.target),
    silence: silenceOf(redis.target),
  });
}

async function checkCluster(findings: Findings, options: RedisCheckOptions): Promise<void> {
  const { target, tls } = options.redis;
  const nodes = target.hosts.map((host) => masterAt(host, target, tls));
  let found: Awaited<ReturnType<typeof inspectSlots>>;
  try {
    found = await options.waits.for(`CLUSTER SLOTS (${BOUND})`, inspectSlots(nodes, asking(options)));
  } catch (error) {
    options.signal.throwIfAborted();
    const { says, code, fix } = ofSlots(error, target);
    return findings.failed("topology", says, { code, fix });
  }
  const masters = new Map(found.ranges.map(({ master }) => [idOf(master), master]));
  const names = [...masters.keys()].join(", ");
  const count = `a cluster of ${masters.size} ${masters.size === 1 ? "master" : "masters"}: ${names}`;
  if (found.held === SLOTS) findings.ok("topology", count);
  else
    findings.failed("topology", `${count}; ${SLOTS - found.held} of ${SLOTS} slots are with no master`, {
      fix: "a master is lost, or the slots were never given out: look at CLUSTER INFO",
    });
  const ofSlot = (id: string) => (slot: number) =>
    found.ranges.some(({ first, last, master }) => first <= slot && slot <= last && idOf(master) === id);
  await inspect(
    [...masters.values()].map((host) => masterAt(host, target, tls)),
    findings,
    options,
    ofSlot,
  );
}

async function checkSentinels(findings: Findings, options: RedisCheckOptions): Promise<void> {
  const { target, tls } = options.redis;
  const { sentinelCredentials, secure, masterName = "" } = target;
  const votes = new Map<string, { host: RedisHost; by: string[] }>();
  const failures: Explained[] = [];
  const ask = async (sentinel: RedisHost) => {
    const endpoint = { ...sentinel, ...sentinelCredentials, database: 0, secure, tls };
    const id = idOf(sentinel);
    try {
      const host = await askSentinel(endpoint, masterName, asking(options));
      if (!host) {
        const fix = "the name stands behind the last / of the URL, as the sentinels have it";
        return void failures.push({ says: `the sentinel ${id} watches no master of that name`, code: undefined, fix });
      }
      const vote = votes.get(idOf(host)) ?? { host, by: [] };
      vote.by.push(id);
      votes.set(idOf(host), vote);
    } catch (error) {
      options.signal.throwIfAborted();
      if (NOT_REACHED.test(codeOf(error))) return; // of which the connection has told
      const failure = ofSentinel(error, { secure, credentials: sentinelCredentials ?? {} });
      failures.push({ ...failure, says: `the sentinel ${id} ${failure.says}` });
    }
  };
  await options.waits.for(`the sentinels (${BOUND})`, Promise.all(target.hosts.map(ask)));
  // One that is away, or wrong, is what the others are for.
  for (const { says, code, fix } of failures)
    findings[votes.size > 0 ? "warning" : "failed"]("topology", says, { code, fix });
  const [first, ...others] = [...votes.values()].sort((one, other) => other.by.length - one.by.length);
  if (!first) {
    if (failures.length === 0) findings.failed("topology", "no sentinel that was reached names a master");
    return;
  }
  const says = `${first.by.length} of ${target.hosts.length} sentinels name ${idOf(first.host)}`;
  if (others.length === 0) findings.ok("topology", `the master ${masterName}: ${says}`);
  else
    findings.warning("topology", `${says}, others ${others.map(({ host }) => idOf(host)).join(", ")}`, {
      fix: "a failover is under way, or a sentinel was cut off: if it stays so, SENTINEL RESET on the wrong ones",
    });
  if ((await connect([first.host], findings, options)).length === 0) return;
  await inspect([masterAt(first.host, target, tls)], findings, options);
}

/** @param ofSlot whether a master has a slot, by its id; none where there is one master alone */
async function inspect(
  masters: readonly RedisMaster[],
  findings: Findings,
  options: RedisCheckOptions,
  ofSlot?: (id: string) => (slot: number) => boolean,
): Promise<void> {
  const report = new MasterReport(findings, options.redis.target);
  const each = async (master: RedisMaster) => {
    try {
      const holds = ofSlot?.(master.id);
      const inspected = () => inspectMaster(master, { ...asking(options), ...(holds && { holds }) });
      // It has accepted a connection before: a process that was busy, as one is at its start, was late itself.
      const found = await inspected().catch((error) =>
        CONNECTING.test(textOf(error)) ? inspected() : Promise.reject(error),
      );
      report.add(master.id, found);
    } catch (error) {
      options.signal.throwIfAborted();
      const { says, code, fix } = ofCommands(error, options.redis.target);
      findings.failed("connection", `${master.id} ${says}`, { code, fix });
    }
  };
  await options.waits.for(`${masters.map(({ id }) => id).join(", ")} (${BOUND})`, Promise.all(masters.map(each)));
  report.tell();
}

function asking({ clock, signal }: RedisCheckOptions): AskingOptions {
  return { clock, signal, withinMs: INSPECTION_MS };
}
