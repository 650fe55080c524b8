// One process of a fleet, which holds users, and notes when it learns that they were invalidated.

import { setTimeout as sleep } from "node:timers/promises";
import { type AuthClientOptions, createAuthClient, type VerifiedToken } from "portero/client";
import { expose } from "../kit/process.js";
import { distinctToken } from "../kit/tokens.js";

/** An invalidation. Times in milliseconds, by the clock of the machine. */
export interface Revocation {
  readonly user: number;
  readonly calledAt: number;
  readonly settledAt: number;
  /** Its promise resolved; else it rejected, and others are told later. */
  readonly isTold: boolean;
}

/** When a process forgot a user, or asked about it anew; by the clock of the machine, in milliseconds. */
export interface Lesson {
  readonly at: number;
  /** It asked the service, and put the answer into Redis. */
  readonly isAnew: boolean;
}

/** Users, from the first one on. */
export interface Users {
  readonly first: number;
  readonly count: number;
}

/** Far more than it takes, in milliseconds. */
const READY_MS = 20_000;

export type RevocationMemberProcess = ReturnType<typeof methodsOf>;

await expose<Pick<AuthClientOptions, "cache"> & { grpcUrl: string }, RevocationMemberProcess>(methodsOf);

function methodsOf({ cache, grpcUrl }: Pick<AuthClientOptions, "cache"> & { grpcUrl: string }) {
  const client = createAuthClient({
    grpc: { url: grpcUrl, timeoutMs: 30_000, hedgeMs: 0 }, // a slow machine is no outage
    cache: { ttlMs: 3_600_000, processTtlMs: 1_800_000, ...cache },
    logger: false,
  });
  const now = () => performance.timeOrigin + performance.now();
  /** When a user was forgotten, or asked about anew, by its number. */
  const learnt = new Map<number, Lesson[]>();
  const note = (user: number, isAnew: boolean) =>
    learnt.set(user, [...(learnt.get(user) ?? []), { at: now(), isAnew }]);
  const listen = (user: number, auth: VerifiedToken): void => {
    client.onInvalidated(auth, async (reason) => {
      if (reason !== "gap") {
        note(user, false);
        return;
      }
      const again = await client.verifyToken(distinctToken(user));
      if (again.source === "grpc") note(user, true);
      listen(user, again);
    });
  };
  return {
    /** When its log is live. */
    async ready(): Promise<void> {
      await client.ready();
      for (const end = performance.now() + READY_MS; client.status().cache.log !== "live"; await sleep(10)) {
        if (performance.now() > end) throw new Error("the log does not become live");
      }
    },
    /** Holds them from now on. */
    async meet({ first, count }: Users): Promise<void> {
      for (let user = first; user < first + count; user++) listen(user, await client.verifyToken(distinctToken(user)));
    },
    /** Invalidates them, at so many a second, whatever becomes of it. */
    async revoke({ first, count, perSecond }: Users & { perSecond: number }): Promise<Revocation[]> {
      const revocations: Promise<Revocation>[] = [];
      const began = performance.now();
      for (let at = 0; at < count; at++) {
        await sleep(Math.max(0, began + (at * 1000) / perSecond - performance.now()));
        const [user, calledAt] = [first + at, now()];
        const ended = (isTold: boolean) => ({ user, calledAt, settledAt: now(), isTold });
        const told = client.invalidateToken(distinctToken(user));
        revocations.push(
          told.then(
            () => ended(true),
            () => ended(false),
          ),
        );
      }
      return Promise.all(revocations);
    },
    learnt: (): Map<number, Lesson[]> => learnt,
    /** How many of them Redis still answers for. */
    async shared(users: readonly number[]): Promise<number> {
      let shared = 0;
      for (const user of users) {
        if ((await client.verifyToken(distinctToken(user))).source === "shared") shared++;
      }
      return shared;
    },
    waiting: (): number => client.status().cache.outbox,
  };
}
