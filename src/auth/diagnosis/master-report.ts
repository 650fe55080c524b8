import { MAX_SKEW_MS } from "../../cache/invalidation.js";
import type { MasterInspection } from "../../cache/redis-inspection.js";
import type { RedisTarget } from "../../cache/redis-target.js";
import { errorCode } from "../../cache/store-error.js";
import type { Findings } from "./diagnosis.js";
import { fixOf } from "./redis-failures.js";

/** An operation that takes longer is skipped: see redis-connection.ts. In milliseconds. */
const OPERATION_MS = 50;
/** Clocks under NTP are closer together, in milliseconds. */
const NTP_MS = 2000;
const OF_ENTRIES = ["mget", "set", "unlink"] as const;
const OF_LOG = ["xadd", "xread", "xrange", "xrevrange", "pexpire"] as const;
/** What Redis says of a user that has the command, and not the key. */
const NO_KEY = /permissions to access (a|one of the) keys?/i;

interface Inspected extends MasterInspection {
  readonly id: string;
}

/** What the inspections of all masters come to: one line for each matter, or one for each master with which something is wrong. */
export class MasterReport {
  readonly #findings: Findings;
  readonly #target: RedisTarget;
  readonly #masters: Inspected[] = [];

  constructor(findings: Findings, target: RedisTarget) {
    this.#findings = findings;
    this.#target = target;
  }

  add(id: string, inspection: MasterInspection): void {
    this.#masters.push({ id, ...inspection });
  }

  tell(): void {
    if (this.#masters.length === 0) return;
    const mistaken = this.#masters.map((master) => this.#isAnotherServer(master));
    if (mistaken.includes(true)) return;
    if (this.#target.kind === "standalone") this.#findings.ok("topology", `one Redis${this.#version()}`);
    this.#each("entries", (master) => this.#entries(master), "entries can be written, read and deleted");
    this.#each("log", (master) => this.#log(master), "the log of invalidations can be written and read");
    this.#each("eviction", (master) => this.#eviction(master), "it evicts nothing");
    this.#each("clock", (master) => this.#clock(master), "its clock is right");
  }

  /** Whether it is something else than the URL says. */
  #isAnotherServer({ id, refusals, info }: Inspected): boolean {
    const code = codeOf(refusals, ["mget", "set", "unlink"]);
    const isCluster = info?.get("redis_mode") === "cluster" || /^(MOVED|CROSSSLOT|ASK)$/.test(code ?? "");
    if (this.#target.kind === "standalone" && isCluster) {
      this.#findings.failed("topology", `${id} is a node of a cluster`, {
        code,
        fix: "write redis+cluster:// for redis://",
      });
      return true;
    }
    if (info?.get("redis_mode") === "sentinel") {
      const fix = "write redis+sentinel://…/ and the name of the master for redis://";
      this.#findings.failed("topology", `${id} is a sentinel, and keeps no entries`, { fix });
      return true;
    }
    if (info?.get("role") === "slave" || code === "READONLY") {
      const fix = "name the master, or an address that leads to it";
      this.#findings.failed("topology", `${id} is a replica, and takes no writes`, { code: code ?? "READONLY", fix });
      return true;
    }
    return false;
  }

  /** One line where all masters are well; none where there is nothing to be said. */
  #each(name: string, say: (master: Inspected) => Verdict | undefined, good: string): void {
    const verdicts = this.#masters.flatMap((master) => {
      const verdict = say(master);
      return verdict ? [{ id: master.id, ...verdict }] : [];
    });
    if (verdicts.length === 0) return;
    const others = verdicts.filter(({ status }) => status !== "ok");
    const isOne = this.#masters.length === 1;
    if (others.length === 0) this.#findings.ok(name, isOne ? (verdicts[0]?.message ?? good) : good);
    for (const { id, status, message = good, code, fix } of others) {
      this.#findings[status](name, isOne ? message : `${id}: ${message}`, { code, fix });
    }
  }

  #entries({ refusals, keeps, answersInMs }: Inspected): Verdict {
    const refused = ofRights(refusals, OF_ENTRIES, this.#target);
    if (refused) return refused;
    const [name, error] = [...refusals].find(([command]) => OF_ENTRIES.includes(command as "set")) ?? [];
    if (error) {
      const code = errorCode(error) ?? "ERR";
      const fix = fixOf(error, this.#target);
      return { status: "failed", message: `it refuses ${name?.toUpperCase()} (${code})`, code, fix };
    }
    if (!keeps)
      return { status: "failed", message: "what was written is not what is read", fix: "is there a proxy before it?" };
    if (answersInMs > OPERATION_MS) {
      const fix = `the cache gives an operation ${OPERATION_MS} ms, and goes on without it: move it nearer`;
      return { status: "warning", message: `it takes ${Math.round(answersInMs)} ms to answer`, fix };
    }
    return { status: "ok" };
  }

  /** What refuses entries for the same reason has been told already. */
  #log({ refusals }: Inspected): Verdict | undefined {
    const refused = ofRights(refusals, OF_LOG, this.#target);
    const without = "other processes forget within cache.processTtlMs, not at once";
    if (refused) return { ...refused, status: "warning", message: `${refused.message}: ${without}` };
    const [command, error] = [...refusals].find(([name]) => OF_LOG.includes(name as "xadd")) ?? [];
    if (!error) return { status: "ok" };
    const code = errorCode(error) ?? "ERR";
    if (code !== "ERR" && code === codeOf(refusals, OF_ENTRIES)) return undefined;
    const isUnknown = /^ERR unknown command/i.test(String((error as Error).message));
    const says = isUnknown ? `it knows no ${command?.toUpperCase()}` : `it refuses ${command?.toUpperCase()} (${code})`;
    const fix = isUnknown ? "streams came with Redis 5; a proxy before it may refuse them" : fixOf(error, this.#target);
    return { status: "warning", message: `${says}: ${without}`, code, fix };
  }

  #eviction({ info }: Inspected): Verdict {
    const policy = info?.get("maxmemory_policy");
    if (!info || policy === undefined)
      return { status: "skipped", message: "not allowed to look at its memory (INFO)" };
    const isBounded = Number(info.get("maxmemory") ?? 0) > 0;
    if (policy === "noeviction") return { status: "ok", message: "it evicts nothing (noeviction)" };
    if (!isBounded) return { status: "ok", message: `it evicts nothing: maxmemory is not set (${policy})` };
    const fix = "CONFIG SET maxmemory-policy noeviction";
    return { status: "warning", message: `it may evict an invalidation before its time (${policy})`, fix };
  }

  #clock({ clockAheadMs }: Inspected): Verdict {
    if (clockAheadMs === undefined) return { status: "skipped", message: "not allowed to look at its clock (TIME)" };
    const by = Math.abs(clockAheadMs);
    const fix = "run NTP on both machines";
    const message = `its clock is ${(by / 1000).toFixed(1)} s ${clockAheadMs > 0 ? "ahead of" : "behind"} this machine's`;
    if (by > MAX_SKEW_MS) return { status: "failed", message: `${message}: entries of others are no use`, fix };
    return by > NTP_MS ? { status: "warning", message, fix } : { status: "ok" };
  }

  #version(): string {
    const version = this.#masters[0]?.info?.get("redis_version");
    return version && /^[\w.-]{1,20}$/.test(version) ? ` ${version}` : "";
  }
}

interface Verdict {
  readonly status: "ok" | "warning" | "failed" | "skipped";
  /** Default: that it is well. */
  readonly message?: string;
  readonly code?: string;
  readonly fix?: string | undefined;
}

function codeOf(refusals: MasterInspection["refusals"], commands: readonly string[]): string | undefined {
  for (const [command, error] of refusals) if (commands.includes(command)) return errorCode(error) ?? "ERR";
  return undefined;
}

/** What the user lacks, and how it is granted. */
function ofRights(
  refusals: MasterInspection["refusals"],
  commands: readonly string[],
  { kind }: RedisTarget,
): Verdict | undefined {
  const wanted = kind === "cluster" && commands.includes("set") ? [...commands, "asking"] : commands;
  const denied = wanted.filter((command) => errorCode(refusals.get(command)) === "NOPERM");
  if (denied.length === 0) return undefined;
  const ofKeys = denied.every((command) => NO_KEY.test(String((refusals.get(command) as Error).message)));
  const rights = ofKeys ? "~portero:*" : denied.map((command) => `+${command}`).join(" ");
  const what = ofKeys ? "use keys that begin with portero:" : denied.map((command) => command.toUpperCase()).join(", ");
  return {
    status: "failed",
    message: `its user may not ${what} (NOPERM)`,
    code: "NOPERM",
    fix: `ACL SETUSER … ${rights}`,
  };
}
