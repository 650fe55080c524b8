import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { getHeapSnapshot } from "node:v8";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type VerifyTokenRequestSchema, VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import { type AuthClient, createAuthClient, getAuth, requireAuth } from "../../src/index.js";
import { ManualClock } from "../support/manual-clock.js";

/** What the process tells the test. */
export interface RecentHeadersReport {
  /** Requests that were let in for the token's own user, by the process cache, and others. */
  readonly right: number;
  readonly wrong: number;
  /** By what the heap has grown while the users came who are in the cache already, in bytes. */
  readonly grownBy: number;
  /** Whether a heap snapshot shows a token's text. */
  readonly foundIn: {
    readonly afterTraffic: boolean;
    readonly afterOneGeneration: boolean;
    readonly afterTwo: boolean;
  };
}

const GENERATION_MS = 60_000;
const SIGNATURE_BYTES = 384;
/** So many verifications at once while the cache is filled. */
const AT_ONCE = 1000;
const USERS = Number(process.argv[2]);

/** Of each token, in bytes: no text of it is here, but while it is sent. */
const signatures = randomBytes(SIGNATURE_BYTES * USERS);

function tokenOf(user: number): string {
  const signature = signatures.subarray(user * SIGNATURE_BYTES, (user + 1) * SIGNATURE_BYTES);
  return `${user}.${signature.toString("base64url")}`;
}

async function answer(method: { parent: unknown }, { token = "" }: MessageInitShape<typeof VerifyTokenRequestSchema>) {
  await turn();
  const userId = token.slice(0, token.indexOf("."));
  const message = create(VerifyTokenResponseSchema, { userId: String(Number(userId)), isActive: true });
  const empty = new Headers();
  return { stream: false, service: method.parent, method, header: empty, message, trailer: empty };
}

const transport = {
  unary: (method: { parent: unknown }, _signal: unknown, _timeoutMs: unknown, _header: unknown, message: never) =>
    answer(method, message),
} as unknown as Transport;

function open(recentBytes: number, clock: ManualClock): AuthClient {
  return createAuthClient({
    grpc: { transport, timeoutMs: 300_000 },
    cache: { ttlMs: 86_400_000, maxEntries: 2 * USERS, maxBytes: 2 ** 30, recentBytes },
    logger: false,
    clock,
  });
}

const counts = { right: 0, wrong: 0 };

function visit(guard: ReturnType<typeof requireAuth>, user: number): void {
  const authorization = `Bearer ${tokenOf(user)}`;
  const req = { headers: { authorization }, rawHeaders: ["Authorization", authorization] } as never;
  let isRight = false;
  guard(req, {} as never, () => {
    isRight = getAuth(req).user.id === String(user) && getAuth(req).source === "process";
  });
  counts[isRight ? "right" : "wrong"]++;
}

/** Everybody, in turn, on a client whose cache knows all of them. What the heap has grown by meanwhile, in bytes. */
async function growthOf(client: AuthClient): Promise<number> {
  const all = Array.from({ length: USERS }, (_, user) => user);
  for (let start = 0; start < USERS; start += AT_ONCE)
    await Promise.all(all.slice(start, start + AT_ONCE).map((user) => client.verifyToken(tokenOf(user))));
  const guard = requireAuth({ client });
  const before = heap();
  for (const user of [...all, ...all]) visit(guard, user);
  return heap() - before;
}

function heap(): number {
  if (!globalThis.gc) throw new Error("run it with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** Whether the heap holds the text of the first user's token. What is sought is bytes, which are no part of a heap. */
async function isFound(): Promise<boolean> {
  const sought = Buffer.from(tokenOf(0));
  let isHeld = false;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of getHeapSnapshot()) {
    const bytes: Buffer = Buffer.concat([rest, Buffer.from(chunk)]);
    isHeld ||= bytes.includes(sought);
    rest = bytes.subarray(-sought.length);
  }
  return isHeld;
}

async function findings(): Promise<RecentHeadersReport["foundIn"]> {
  const clock = new ManualClock();
  const client = open(16_777_216, clock);
  await client.verifyToken(tokenOf(0));
  visit(requireAuth({ client }), 0);
  const afterTraffic = await isFound();
  await clock.advance(GENERATION_MS);
  const afterOneGeneration = await isFound();
  await clock.advance(GENERATION_MS);
  const afterTwo = await isFound();
  await client.close();
  return { afterTraffic, afterOneGeneration, afterTwo };
}

const foundIn = await findings();
const client = open(16_777_216, new ManualClock());
const grownBy = await growthOf(client);
process.stdout.write(JSON.stringify({ ...counts, grownBy, foundIn } satisfies RecentHeadersReport));
await client.close();
