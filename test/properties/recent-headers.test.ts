import type { IncomingMessage } from "node:http";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import { type AuthClient, getAuth, requireAuth } from "../../src/index.js";
import { ManualClock } from "../support/manual-clock.js";
import { openBareClient } from "../support/open-client.js";
import { runs } from "./runs.js";

/** Some end alike, so that they fight for a slot. */
const TOKENS = ["ana.12345678", "eva.12345678", "bea.12345678", "ana.87654321", "12345678", "z"];
const SPELLINGS = ["Bearer ", "bearer ", "Bearer  ", `Bearer${" ".repeat(20)}`, "Basic ", "Bearer"];
const HOLDS_TWO = 700;
/** Only against a client that never answers. */
const GIVE_UP_MS = 120_000;

type Step =
  | {
      readonly does: "visit";
      readonly token: string;
      readonly scheme: string;
      readonly again: boolean;
      readonly fresh: boolean;
    }
  | { readonly does: "wait"; readonly ms: number }
  | { readonly does: "allow" | "refuse" | "invalidate token" | "invalidate user"; readonly token: string };

const token = fc.constantFrom(...TOKENS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      does: fc.constant("visit" as const),
      token,
      scheme: fc.oneof(
        { weight: 5, arbitrary: fc.constant("Bearer ") },
        { weight: 1, arbitrary: fc.constantFrom(...SPELLINGS) },
      ),
      again: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
      fresh: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("wait" as const), ms: fc.constantFrom(1, 5000, 30_000, 60_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constantFrom(
        "allow" as const,
        "refuse" as const,
        "invalidate token" as const,
        "invalidate user" as const,
      ),
      token,
    }),
  },
);

/** An auth service in this process. */
class Service {
  readonly refused = new Set<string>();
  calls = 0;

  readonly transport = {
    unary: async (
      method: { parent: unknown },
      _signal: unknown,
      _timeoutMs: unknown,
      _header: unknown,
      message: { token: string },
    ) => {
      this.calls++;
      if (this.refused.has(message.token)) throw new ConnectError("no such token", Code.Unauthenticated);
      const user = { userId: userOf(message.token), organizationId: "org-1", isActive: true };
      const answer = create(VerifyTokenResponseSchema, user);
      return {
        stream: false,
        service: method.parent,
        method,
        header: new Headers(),
        message: answer,
        trailer: new Headers(),
      };
    },
  } as unknown as Transport;
}

function userOf(token: string): string {
  return `user of ${token}`;
}

interface Side {
  readonly service: Service;
  readonly clock: ManualClock;
  readonly client: AuthClient;
  readonly seen: unknown[];
}

function openSide(recentBytes: number): Side {
  const [service, clock] = [new Service(), new ManualClock()];
  const client = openBareClient({
    grpc: { transport: service.transport },
    cache: { recentBytes, ttlMs: 50_000, refusalTtlMs: 3000 },
    retry: { attempts: 1 },
    random: () => 0,
    clock,
  });
  return { service, clock, client, seen: [] };
}

async function take({ service, clock, client, seen }: Side, given: Step): Promise<void> {
  switch (given.does) {
    case "wait":
      return clock.advance(given.ms);
    case "allow":
      return void service.refused.delete(given.token);
    case "refuse":
      return void service.refused.add(given.token);
    case "invalidate token":
      return client.invalidateToken(given.token);
    case "invalidate user":
      return client.invalidateUser({ userId: userOf(given.token), organizationId: "org-1" });
    case "visit":
      return void seen.push(await outcomeOf(client, given));
  }
}

function outcomeOf(client: AuthClient, { token, scheme, again, fresh }: Step & { does: "visit" }): Promise<string> {
  const authorization = scheme + token;
  const lines = ["Authorization", authorization];
  const request = { headers: { authorization }, rawHeaders: again ? [...lines, ...lines] : lines };
  const handler = requireAuth({ client, fresh, onError: (error, _req, _res, next) => next(error) });
  return new Promise((resolve) => {
    handler(request as unknown as IncomingMessage, {} as never, (error) => {
      const { code } = (error ?? {}) as { code?: string };
      if (code !== undefined) return resolve(code);
      const { user, source } = getAuth(request as unknown as IncomingMessage);
      resolve(`${user.id} by ${source}`);
    });
  });
}

test(
  "A client that remembers headers answers each request as one that remembers none",
  async () => {
    const seen = new Set<unknown>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(HOLDS_TWO, 16_777_216),
        fc.array(step, { minLength: 40, maxLength: 120 }),
        async (recentBytes, steps) => {
          const sides = [openSide(recentBytes), openSide(0)];
          for (const each of steps) for (const side of sides) await take(side, each);

          const [remembering, plain] = sides.map(({ seen: outcomes, service, client }) => ({
            outcomes,
            asked: service.calls,
            hits: client.status().cache.hits,
          }));
          expect(remembering).toEqual(plain);
          for (const outcome of plain?.outcomes ?? []) seen.add(outcome);
          await Promise.all(sides.map(({ client }) => client.close()));
        },
      ),
      runs(100),
    );
    for (const outcome of [
      "user of ana.12345678 by process",
      "user of ana.12345678 by grpc",
      "invalid_token",
      "invalid_request",
      "missing_token",
    ])
      expect(seen).toContain(outcome);
  },
  GIVE_UP_MS,
);
