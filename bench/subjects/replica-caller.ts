// A client of the replicas, in a process of its own. The name of the replicas leads to the addresses that it is told.
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { type AskSample, keepAsking } from "../kit/ask.js";
import { expose } from "../kit/process.js";
import { Stalls } from "../kit/stalls.js";
import { type Asked, askerOf, type CallerKind } from "../replicas/askers.js";
import { newcomersOf } from "../replicas/crowds.js";

export interface ReplicaCallerOptions {
  readonly kind: CallerKind;
  readonly crowd: number;
  readonly port: number;
  readonly restUrl: string;
  /** Of the replicas. */
  readonly hosts: readonly string[];
  readonly hedgeMs?: number;
  /** Default: as many as are usual. */
  readonly minConnections?: number;
}

/** One call. Times in milliseconds; `at` by the clock of the machine. */
export interface CallMoment {
  readonly at: number;
  readonly tookMs: number;
  readonly answeredBy: Asked["answeredBy"] | undefined;
}

export interface CallReport {
  readonly moments: readonly CallMoment[];
  /** That were sent over gRPC. */
  readonly sent: number;
  /** Users taken for others. */
  readonly wrong: number;
  /** How long the process could do nothing, at worst. */
  readonly stalledMs: number;
}

export type ReplicaCallerProcess = Awaited<ReturnType<typeof methodsOf>>;

await expose<ReplicaCallerOptions, ReplicaCallerProcess>(methodsOf);

async function methodsOf({ hosts, crowd, ...options }: ReplicaCallerOptions) {
  let addresses = hosts;
  const lookup = async () => addresses.map((address) => ({ address, family: 4 }));
  Object.assign(dns.promises, { lookup });
  syncBuiltinESMExports();
  const next = newcomersOf(crowd);
  const asker = await askerOf(options, hosts);
  const stalls = new Stalls();
  let moments: CallMoment[] = [];
  let wrong = 0;
  let timer: NodeJS.Timeout | undefined;
  let underWay = 0;
  let sentBefore = 0;
  const call = async (): Promise<void> => {
    const { token, user } = next();
    const began = performance.now();
    underWay++;
    const asked = await asker.ask(token).catch(() => undefined);
    underWay--;
    if (asked && asked.user !== user) wrong++;
    moments.push({
      at: performance.timeOrigin + began,
      tookMs: performance.now() - began,
      answeredBy: asked?.answeredBy,
    });
  };
  const take = (): CallReport => {
    const report = { moments, sent: asker.sent - sentBefore, wrong, stalledMs: stalls.take() };
    [moments, wrong, sentBefore] = [[], 0, asker.sent];
    return report;
  };
  return {
    /** Where the name leads from now on. */
    resolve(to: readonly string[]): void {
      addresses = to;
    },
    /** Calls come at this pace until {@link end}, whatever becomes of them; a late one catches up. */
    begin(perSecond: number): void {
      take();
      const began = performance.now();
      let made = 0;
      timer = setInterval(() => {
        for (const due = ((performance.now() - began) * perSecond) / 1000; made < due; made++) void call();
      }, 2);
    },
    async end(): Promise<CallReport> {
      clearInterval(timer);
      while (underWay > 0) await sleep(5);
      return take();
    },
    /** So many calls, so many of them at once. */
    async ask({ calls, inFlight }: { calls: number; inFlight: number }): Promise<CallReport> {
      take();
      let made = 0;
      const one = async () => {
        while (made < calls) {
          made++;
          await call();
        }
      };
      await Promise.all(Array.from({ length: inFlight }, one));
      return take();
    },
    /** What a call takes of the process. */
    measure: (load: { inFlight: number; seconds: number }): Promise<AskSample> =>
      keepAsking(() => asker.ask(next().token), load),
  };
}
