import { IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type AuthClient, createAuthClient, requireAuth, type VerifiedToken } from "portero";
import type { Bench } from "./kit/bench.js";
import { launch, type Process } from "./kit/process.js";
import { quantile, spreadOf } from "./kit/spread.js";
import { distinctToken } from "./kit/tokens.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";

/** The default of `limit.maxConcurrent`. */
const LIMIT = 256;
const ROUNDS = 5;
/** Long enough for questions to meet at the service. */
const DELAY_MS = 20;
/** Never reached, however slow the machine: no call may fail for want of time. */
const TIMEOUT_MS = 120_000;
/** Between two looks at the cached users; a loop without a pause would take the service's CPU. */
const PAUSE_MS = 2;

const KNOWN = Array.from({ length: 100 }, (_, user) => distinctToken(1_000_000 + user));
const COLD = distinctToken(2_000_000);

export const stampede: Bench = {
  name: "stampede",
  question: "What happens when 10,000 new tokens come at once?",
  setup:
    "In one tick, 10,000 calls of `verifyToken` for one cold token; then 10,000 for as many. The service takes 20 ms for an answer, " +
    "`limit.maxConcurrent` is as usual and `limit.maxQueue` 10,000. Meanwhile 100 cached users go through `requireAuth()`, ten every " +
    "2 ms.",
  async run(context) {
    await using service = await launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url), {
      delayMs: DELAY_MS,
    });
    const size = context.quick ? 1000 : 10_000;
    const crowd = Array.from({ length: size }, (_, user) => distinctToken(user));
    const rounds: Round[] = [];
    for (let round = 1; round <= (context.quick ? 1 : ROUNDS); round++) {
      context.progress(`round ${round}`);
      rounds.push(await oneRound(service, crowd));
    }
    const all = (value: (round: Round) => number) => rounds.map(value);
    const worst = (value: (round: Round) => number) => Math.max(...all(value));
    const figure = (subject: string, what: string, value: (round: Round) => number) => ({
      subject,
      what,
      spread: spreadOf(all(value)),
    });
    const [one, many] = ["a crowd with one token", "a crowd with a token each"];
    return {
      figures: [
        figure(one, "all answered after, ms", ({ one }) => one.ms),
        figure(one, "their own tick, ms", ({ one }) => one.tickMs),
        figure(one, "at the service at once", ({ one }) => one.atOnce),
        figure(many, "all answered after, ms", ({ many }) => many.ms),
        figure(many, "their own tick, ms", ({ many }) => many.tickMs),
        figure(many, "at the service at once", ({ many }) => many.atOnce),
        figure("cached users, before", "requireAuth(), p50, µs", ({ before }) => before.p50),
        figure("cached users, before", "requireAuth(), p99, µs", ({ before }) => before.p99),
        figure("cached users, meanwhile", "requireAuth(), p50, µs", ({ meanwhile }) => meanwhile.p50),
        figure("cached users, meanwhile", "requireAuth(), p99, µs", ({ meanwhile }) => meanwhile.p99),
        figure("cached users, meanwhile", "event loop late, p99, ms", ({ meanwhile }) => meanwhile.lateMs),
      ],
      ratios: [],
      counts: [
        { what: "calls of the service for one token", is: worst(({ one }) => one.calls), target: { exactly: 1 } },
        { what: "not answered, one token", is: worst(({ one }) => one.unanswered), target: { exactly: 0 } },
        {
          what: "calls of the service for a token each",
          is: worst(({ many }) => many.calls),
          target: { exactly: size },
        },
        {
          what: "not answered, a token each",
          is: worst(({ many }) => many.unanswered),
          target: { exactly: 0 },
        },
        { what: "calls at once", is: worst(({ many }) => many.atOnce), target: { atMost: LIMIT } },
        {
          what: "cached users who had to wait",
          is: worst(({ meanwhile }) => meanwhile.waited),
          target: { exactly: 0 },
        },
      ],
    };
  },
};

interface Round {
  readonly one: Rush;
  readonly many: Rush;
  readonly before: Passage;
  readonly meanwhile: Passage;
}

/** How a crowd fared. */
interface Rush {
  readonly ms: number;
  /** How long the event loop was busy with nothing but their coming. */
  readonly tickMs: number;
  readonly unanswered: number;
  readonly calls: number;
  readonly atOnce: number;
}

/** How cached users fared. Times in microseconds where nothing else is said. */
interface Passage {
  readonly p50: number;
  readonly p99: number;
  readonly waited: number;
  readonly lateMs: number;
}

async function oneRound(service: Process<AuthServiceProcess>, crowd: readonly string[]): Promise<Round> {
  const { grpc: url } = await service.call("urls");
  await using client = createAuthClient({
    grpc: { url, timeoutMs: TIMEOUT_MS, hedgeMs: TIMEOUT_MS },
    limit: { maxQueue: crowd.length },
    cache: { ttlMs: 3_600_000 },
  });
  await Promise.all(KNOWN.map((token) => client.verifyToken(token)));
  await service.call("takeTraffic");

  let quiet = 200;
  const before = await passCachedUsers(client, () => quiet-- > 0);
  const one = await rush(
    service,
    client,
    crowd.map(() => COLD),
  );
  let rushing = true;
  const ended = rush(service, client, crowd).finally(() => {
    rushing = false;
  });
  const meanwhile = await passCachedUsers(client, () => rushing);
  return { one, many: await ended, before, meanwhile };
}

async function rush(
  service: Process<AuthServiceProcess>,
  client: AuthClient,
  tokens: readonly string[],
): Promise<Rush> {
  const started = performance.now();
  const asked = tokens.map((token) => client.verifyToken(token));
  const tickMs = performance.now() - started;
  const answers = await Promise.allSettled(asked);
  const ms = performance.now() - started;
  const { grpc: calls, atOnce } = await service.call("takeTraffic");
  return { ms, tickMs, unanswered: answers.filter(isUnanswered).length, calls, atOnce };
}

function isUnanswered(answer: PromiseSettledResult<VerifiedToken>): boolean {
  return answer.status === "rejected" || answer.value.user.id === "";
}

/** Lets cached users through, ten every two milliseconds, as long as it goes on. */
async function passCachedUsers(client: AuthClient, goesOn: () => boolean): Promise<Passage> {
  const handler = requireAuth({ client });
  const micros: number[] = [];
  const late: number[] = [];
  let passed = 0;
  let waited = 0;
  const next = () => {
    passed++;
  };
  for (let turn = 0; goesOn(); turn++) {
    for (let user = 0; user < 10; user++) {
      const request = requestWith(KNOWN[(turn * 10 + user) % KNOWN.length]!);
      const before = passed;
      const at = performance.now();
      handler(request, {} as ServerResponse, next);
      micros.push((performance.now() - at) * 1000);
      if (passed === before) waited++;
    }
    const at = performance.now();
    await sleep(PAUSE_MS);
    late.push(Math.max(0, performance.now() - at - PAUSE_MS));
  }
  return { p50: quantile(micros, 0.5), p99: quantile(micros, 0.99), waited, lateMs: quantile(late, 0.99) };
}

function requestWith(token: string): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers.authorization = `Bearer ${token}`;
  request.rawHeaders.push("Authorization", `Bearer ${token}`);
  return request;
}
