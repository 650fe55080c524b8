import { setTimeout as sleep } from "node:timers/promises";
import { Processes } from "../kit/process.js";
import type { AuthServiceProcess } from "../subjects/auth-service.js";
import type { Revocation, RevocationMemberProcess, Users } from "../subjects/revocation-member.js";

export const SECRET = "of the benches, and at least 32 bytes long";

/** Far more than anything takes here, in milliseconds. */
const PATIENCE_MS = 10_000;

/** What one invalidation was to one of the other processes. Times in milliseconds. */
export interface Hearing extends Revocation {
  /** From the call, or the end of the call, until the other process had forgotten, or asked anew; infinite where it never did. */
  readonly afterCallMs: number;
  readonly afterPromiseMs: number;
}

/** Several processes on one shared cache, which all hold the same users; the first of them invalidates. */
export class RevocationFleet implements AsyncDisposable {
  readonly #processes: Processes;
  readonly #members: readonly Awaited<ReturnType<typeof launchMember>>[];
  readonly grpcUrl: string;
  readonly redisUrl: string;
  #next = 0;

  private constructor(
    processes: Processes,
    members: readonly Awaited<ReturnType<typeof launchMember>>[],
    { grpcUrl, redisUrl }: { grpcUrl: string; redisUrl: string },
  ) {
    this.#processes = processes;
    this.#members = members;
    this.grpcUrl = grpcUrl;
    this.redisUrl = redisUrl;
  }

  static async open(redisUrl: string, size: number): Promise<RevocationFleet> {
    const processes = new Processes();
    const service = await processes.launch<AuthServiceProcess>(new URL("../subjects/auth-service.ts", import.meta.url));
    const { grpc: grpcUrl } = await service.call("urls");
    const urls = { grpcUrl, redisUrl };
    const members = await Promise.all(Array.from({ length: size }, () => launchMember(processes, urls)));
    await Promise.all(members.map((member) => member.call("ready")));
    return new RevocationFleet(processes, members, urls);
  }

  /** One more, which remembers nothing by itself. */
  openForgetful(): ReturnType<typeof launchMember> {
    return launchMember(this.#processes, this, { processTtlMs: 0 });
  }

  /** Has all processes hold so many users who never came before. */
  async meet(count: number): Promise<Users> {
    const users = { first: this.#next, count };
    this.#next += count;
    for (const member of this.#members) await member.call("meet", users);
    return users;
  }

  /** Invalidates them at the first process. */
  revoke(users: Users, perSecond: number): Promise<Revocation[]> {
    return this.#members[0]!.call("revoke", { ...users, perSecond });
  }

  /** What could not be told yet. */
  waiting(): Promise<number> {
    return this.#members[0]!.call("waiting");
  }

  /** The same, when all have learnt of all: for a while at most. */
  async allHearings(revocations: readonly Revocation[]): Promise<Hearing[]> {
    for (const end = performance.now() + PATIENCE_MS; ; await sleep(50)) {
      const hearings = await this.hearings(revocations);
      if (performance.now() > end || hearings.every(({ afterCallMs }) => Number.isFinite(afterCallMs))) return hearings;
    }
  }

  /** Of which Redis must know nothing: those that no process asked about anew since. */
  async forgotten(revocations: readonly Revocation[]): Promise<number[]> {
    const learnt = await Promise.all(this.#members.map((member) => member.call("learnt")));
    const isAnew = ({ user, calledAt }: Revocation) =>
      learnt.some((lessons) => lessons.get(user)?.some((lesson) => lesson.isAnew && lesson.at >= calledAt));
    return revocations.filter((revocation) => !isAnew(revocation)).map(({ user }) => user);
  }

  /** How each of the others learnt of each. */
  async hearings(revocations: readonly Revocation[]): Promise<Hearing[]> {
    const learnt = await Promise.all(this.#members.slice(1).map((member) => member.call("learnt")));
    return learnt.flatMap((lessons) =>
      revocations.map((revocation) => {
        const lesson = lessons.get(revocation.user)?.find(({ at }) => at >= revocation.calledAt);
        const at = lesson?.at ?? Number.POSITIVE_INFINITY;
        const { calledAt, settledAt } = revocation;
        return { ...revocation, afterCallMs: at - calledAt, afterPromiseMs: Math.max(0, at - settledAt) };
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#processes[Symbol.asyncDispose]();
  }
}

function launchMember(processes: Processes, { grpcUrl, redisUrl }: { grpcUrl: string; redisUrl: string }, more = {}) {
  const cache = { redisUrl, secret: SECRET, namespace: "fleet", ...more };
  const module = new URL("../subjects/revocation-member.ts", import.meta.url);
  return processes.launch<RevocationMemberProcess>(module, { cache, grpcUrl });
}
