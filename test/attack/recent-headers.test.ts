import { execFile } from "node:child_process";
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { type AuthClient, type AuthClientOptions, getAuth, requireAuth } from "../../src/index.js";
import type { FakeAuthService } from "../../src/testing.js";
import { ManualClock } from "../support/manual-clock.js";
import { openClient, startService } from "../support/open-client.js";
import type { RecentHeadersReport } from "./recent-headers-process.js";

const GENERATION_MS = 60_000;
/** Only against a process that never ends. */
const GIVE_UP_MS = 240_000;

/** Ends alike, so that the headers of all fight for one slot. */
const ANA = `ana.${"x".repeat(60)}`;
const EVA = `eva.${"x".repeat(60)}`;
const TWIN = `any.${"x".repeat(60)}`;

/** What a middleware makes of a request: the user's id, and where the answer came from; or the code of the refusal. */
function visit(client: AuthClient, token: string): Promise<string> {
  const authorization = `Bearer ${token}`;
  const req = {
    headers: { authorization },
    rawHeaders: ["Authorization", authorization],
  } as unknown as IncomingMessage;
  const handler = requireAuth({ client, onError: (error, _req, _res, next) => next(error) });
  return new Promise((resolve) => {
    handler(req, {} as never, (error) => {
      const { code } = (error ?? {}) as { code?: string };
      resolve(code ?? `${getAuth(req).user.id} (${getAuth(req).source})`);
    });
  });
}

async function open(cache: NonNullable<AuthClientOptions["cache"]> = {}) {
  const service: FakeAuthService = await startService({
    users: { [ANA]: { id: "ana", organizationId: "org-1" }, [EVA]: { id: "eva" } },
  });
  const clock = new ManualClock();
  const client = openClient(service, { clock, cache: { ttlMs: 3_600_000, refusalTtlMs: 0, ...cache } });
  return { service, clock, client };
}

/** Lets both in until they are hits. */
async function letIn(client: AuthClient): Promise<void> {
  for (let time = 0; time < 2; time++) for (const token of [ANA, EVA]) await visit(client, token);
}

describe("A header that is remembered", () => {
  test("lets in no other that ends alike", async () => {
    const { client, service } = await open();
    await letIn(client);
    for (let time = 0; time < 3; time++) {
      expect(await visit(client, TWIN)).toBe("invalid_token");
      expect(await visit(client, ANA)).toBe("ana (process)");
    }
    expect(service.calls.VerifyToken).toBe(2 + 3);
  });

  test.each([0, 1, 16_777_216])(
    "is that user's in a slot that two fight for, with recentBytes of %i",
    async (recentBytes) => {
      const { client, clock, service } = await open({ recentBytes });
      await letIn(client);
      for (let time = 0; time < 40; time++) {
        const [token, id] = time % 3 === 0 ? [ANA, "ana"] : [EVA, "eva"];
        expect(await visit(client, token)).toBe(`${id} (process)`);
        await clock.advance(GENERATION_MS / 7);
      }
      expect(service.calls.VerifyToken).toBe(2);
    },
  );

  test.each([
    ["before a generation ends", [0, GENERATION_MS - 1]],
    ["at the very moment at which it ends", [0, GENERATION_MS]],
    ["in the next one, moved into it", [GENERATION_MS, GENERATION_MS / 2]],
    ["when both have ended", [GENERATION_MS, GENERATION_MS]],
  ])("serves no user who is invalidated %s", async (_when, [first = 0, then = 0]) => {
    const { client, clock, service } = await open();
    await letIn(client);
    await clock.advance(first);
    expect(await visit(client, ANA)).toBe("ana (process)");
    await clock.advance(then);
    service.refuse(ANA);
    const forgotten = client.invalidateUser({ userId: "ana", organizationId: "org-1" });
    expect(await visit(client, ANA)).toBe("invalid_token"); // at once
    await forgotten;

    expect(await visit(client, ANA)).toBe("invalid_token");
    expect(await visit(client, EVA)).toBe("eva (process)");
  });

  test.each([
    ["it was invalidated", (client: AuthClient) => client.invalidateToken(ANA)],
    ["the client is closed", (client: AuthClient) => client.close()],
  ])("lets in no request once %s, while the service is out of reach", async (_what, end) => {
    const { client, service } = await open({ staleIfErrorMs: 60_000 });
    await letIn(client);
    await Promise.all([service.grpc.stop(), service.rest.stop()]);
    expect(await visit(client, ANA)).toBe("ana (process)");
    await end(client);
    expect(await visit(client, ANA)).toBe("auth_unavailable");
  });

  test("lets in no request past the token's TTL", async () => {
    const { client, clock, service } = await open({ ttlMs: 30_000 });
    await letIn(client);
    service.refuse(ANA);
    await clock.advance(29_999);
    expect(await visit(client, ANA)).toBe("ana (process)"); // and is refreshed
    await clock.advance(1);
    expect(await visit(client, ANA)).toBe("invalid_token");
  });

  test("keeps no process alive, and no timer once it is gone", async () => {
    const started: boolean[] = [];
    class Watched extends ManualClock {
      override setTimeout(callback: () => void, ms: number, options?: { background?: boolean }) {
        if (ms === GENERATION_MS) started.push(options?.background ?? false);
        return super.setTimeout(callback, ms);
      }
    }
    const { service } = await open();
    const clock = new Watched();
    const timeoutMs = GENERATION_MS - 1; // told from a generation's timer
    const client = openClient(service, { clock, grpc: { timeoutMs }, rest: { timeoutMs } } as never);
    await letIn(client);
    expect(started).toEqual([true]);
    await clock.advance(2 * GENERATION_MS);
    expect(started).toEqual([true, true]);
    await clock.advance(4 * GENERATION_MS);
    expect(started).toEqual([true, true]);
  });
});

describe("Sixty thousand users' headers", () => {
  let report: RecentHeadersReport;

  // In a process of its own, whose heap is its own.
  beforeAll(async () => {
    const args = ["--expose-gc", "--no-warnings", "--import", "tsx", "test/attack/recent-headers-process.ts", "60000"];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    report = JSON.parse(stdout);
  }, GIVE_UP_MS);

  test("are let in for their own users, each time", () => {
    expect([report.right, report.wrong]).toEqual([120_001, 0]);
  });

  test("take no more memory than recentBytes says", () => {
    expect(report.grownBy).toBeGreaterThan(8 * 2 ** 20); // so much at least is held
    expect(report.grownBy).toBeLessThan(16 * 2 ** 20);
  });

  test("are in the memory of the process while they come, and not after two generations without any", () => {
    expect(report.foundIn).toEqual({ afterTraffic: true, afterOneGeneration: true, afterTwo: false });
  });
});
