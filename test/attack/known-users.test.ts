import { setImmediate as turn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import { createAuthClient } from "../../src/client.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";

const TTL_MS = 2000;
const USERS = 20;
const STEP_MS = 5;
const CALM_MS = 1000;
/** Past two TTLs. */
const FLOOD_MS = 5000;
/** How long an answer takes a service that is not busy. */
const ANSWER_MS = 20;
const NO_SUCH_TOKEN = new ConnectError("no such token", Code.Unauthenticated);

/** A service that gives so many answers a second, in the order of the questions; whether they still wait for it, it does not ask. */
class SlowService {
  readonly #everyMs: number;
  readonly #clock: ManualClock;
  #busyUntil = 0;
  answers = 0;
  awaited = 0;

  constructor(perSecond: number, clock: ManualClock) {
    this.#everyMs = 1000 / perSecond;
    this.#clock = clock;
  }

  readonly transport = {
    unary: (method: { parent: unknown }, signal: AbortSignal, _ms: unknown, _header: unknown, message: unknown) =>
      this.#answer(method, signal, (message as { token: string }).token),
    stream: () => Promise.reject(NO_SUCH_TOKEN),
  } as unknown as Transport;

  async #answer(method: { parent: unknown }, signal: AbortSignal, token: string) {
    this.#busyUntil = Math.max(this.#busyUntil, this.#clock.monotonic()) + this.#everyMs;
    const tookMs = this.#busyUntil - this.#clock.monotonic() + ANSWER_MS;
    await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, tookMs));
    this.answers++;
    if (!signal.aborted) this.awaited++;
    if (token.startsWith("garbage")) throw NO_SUCH_TOKEN;
    const message = create(VerifyTokenResponseSchema, { userId: token, isActive: true });
    const empty = new Headers();
    return { stream: false, service: method.parent, method, header: empty, message, trailer: empty };
  }
}

interface Report {
  readonly known: { asked: number; answered: number; slowestMs: number };
  readonly strangers: { asked: number; answered: number };
  readonly answers: number;
  readonly awaited: number;
  readonly opened: number;
  readonly leastStrangersLimit: number;
}

function sharedStore(clock: ManualClock): MemoryStore {
  const store = new MemoryStore(clock);
  store.before = () => new Promise<void>((resolve) => clock.setTimeout(resolve, 2));
  return store;
}

/** Users in turn, 100 requests a second; then garbage beside them, 1,200 a second. */
async function flood({
  perSecond,
  deadlineMs,
  users = USERS,
  garbageEachStep = 6,
  isShared = false,
}: {
  perSecond: number;
  deadlineMs?: number;
  users?: number;
  garbageEachStep?: number;
  /** Whether there is a shared cache, which answers within 2 ms. */
  isShared?: boolean;
}): Promise<Report> {
  const clock = new ManualClock();
  const service = new SlowService(perSecond, clock);
  const client = createAuthClient({
    clock,
    grpc: { transport: service.transport },
    ...(deadlineMs !== undefined && { deadlineMs }),
    cache: {
      ttlMs: TTL_MS,
      ...(isShared && { store: sharedStore(clock), namespace: "flood", processTtlMs: TTL_MS / 2 }),
    },
    random: () => 0.5,
    logger: false,
  });
  let opened = 0;
  client.on("breaker", ({ to }) => {
    if (to === "open") opened++;
  });
  const known = { asked: 0, answered: 0, slowestMs: 0 };
  const strangers = { asked: 0, answered: 0 };
  const user = async (index: number) => {
    known.asked++;
    const began = clock.monotonic();
    const answered = await client.verifyToken(`user-${index % users}`).then(
      () => true,
      () => false,
    );
    if (answered) known.answered++;
    known.slowestMs = Math.max(known.slowestMs, clock.monotonic() - began);
  };
  const stranger = async (token: string) => {
    const answered = await client.verifyToken(token).then(
      () => true,
      () => false,
    );
    if (!token.startsWith("garbage")) strangers.asked++;
    if (answered) strangers.answered++;
  };

  for (let ms = 0; ms < Math.max(CALM_MS, users * 10); ms += STEP_MS) {
    if (ms % 10 === 0) void user(ms / 10);
    if (ms % 50 === 0) void stranger(`garbage-calm-${ms}`);
    await clock.advance(STEP_MS);
  }
  await clock.advance(100); // the last ones are answered
  Object.assign(known, { asked: 0, answered: 0, slowestMs: 0 });
  Object.assign(service, { answers: 0, awaited: 0 });
  let leastStrangersLimit = Number.POSITIVE_INFINITY;
  for (let ms = 0; ms < FLOOD_MS; ms += STEP_MS) {
    for (let request = 0; request < garbageEachStep; request++) void stranger(`garbage-${ms}-${request}`);
    if (ms % 100 === 0) void stranger(`stranger-${ms}`);
    if (ms % 10 === 0) void user(ms / 10);
    await clock.advance(STEP_MS);
    leastStrangersLimit = Math.min(leastStrangersLimit, client.status().upstream.strangersLimit);
  }
  const { answers, awaited } = service;
  await clock.advance(4000);
  await client.close();
  await turn();
  return { known, strangers, answers, awaited, opened, leastStrangersLimit };
}

describe("A flood of 1,200 garbage tokens a second, at a service of 400 a second, past the TTL of 20 users", () => {
  let report: Report;

  beforeAll(async () => {
    report = await flood({ perSecond: 400 });
  }, 300_000);

  test("leaves the known users served, within 250 ms", () => {
    expect(report.known.asked).toBe(FLOOD_MS / 10);
    expect(report.known.answered).toBe(report.known.asked);
    expect(report.known.slowestMs).toBeLessThanOrEqual(250);
  });

  test("makes the service answer what is still awaited", () => {
    expect(report.awaited / report.answers).toBeGreaterThan(0.9);
    expect(report.answers).toBeGreaterThan((FLOOD_MS / 1000) * 400 * 0.9); // and keeps it busy
  });

  test("lets good tokens of strangers in at the rate that is left", () => {
    expect(report.strangers.answered / report.strangers.asked).toBeGreaterThan(0.2); // of 400 for 1,210 a second
  });

  test("lowers the strangers' part of the limit, and not below what it may", () => {
    expect(report.leastStrangersLimit).toBeGreaterThanOrEqual(16);
    expect(report.leastStrangersLimit).toBeLessThan(64);
    expect(report.opened).toBe(0);
  });
});

describe("The same with 2,600 garbage tokens a second, beside a shared cache", () => {
  test("leaves the known users served, within 250 ms", async () => {
    const { known, awaited, answers, opened } = await flood({ perSecond: 400, garbageEachStep: 13, isShared: true });
    expect(known.answered).toBe(known.asked);
    expect(known.slowestMs).toBeLessThanOrEqual(250);
    expect(awaited / answers).toBeGreaterThan(0.9);
    expect(opened).toBe(0);
  }, 300_000);
});

describe("The same with users that come less often than once in a TTL", () => {
  test("leaves them served: what is held of them has ended, and is known", async () => {
    const { known } = await flood({ perSecond: 400, users: 250 });
    expect(known.answered / known.asked).toBe(1);
    expect(known.slowestMs).toBeLessThanOrEqual(750);
  }, 300_000);
});

describe("The same at a service of 200 a second, with a deadline of a second,", () => {
  test("opens no breaker, and leaves the known users served", async () => {
    const { known, opened } = await flood({ perSecond: 200, deadlineMs: 1000 });
    expect([opened, known.answered / known.asked]).toEqual([0, 1]);
  }, 300_000);
});
