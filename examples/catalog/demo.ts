// Walks through what portero does, with real servers and real HTTP requests, and checks every step.
import type { AuthClientStatus } from "portero";
import { type Stage, startStage, until } from "./stage.js";
import { Visitor } from "./visitor.js";
import { Walkthrough } from "./walkthrough.js";

const BREAKER = { failureThreshold: 3, recoveryMs: 1000 };
const MADRID = "/locals/madrid/products";
const EMPANADA = { name: "Empanada", priceCents: 350 };

// Leave by the door, so that Redis is ended too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const walk = new Walkthrough();
const logger = { info: walk.log, warn: walk.log, error: walk.log };
// On a busy machine a first call can take its time: the demo is more patient than portero's defaults.
const stage = await startStage({ breaker: BREAKER, timeoutMs: 3000, logger });
try {
  await show(stage);
} finally {
  await stage.close();
}
if (!walk.finish()) process.exitCode = 1;

async function show({ auth, redis, openCatalog, openCatalogOfTwo, openInstance }: Stage): Promise<void> {
  const second = redis && openInstance(redis); // it takes its time, while the first steps are shown
  const catalog = await openCatalog();
  const visitor = new Visitor(catalog, auth);
  const newToken = () => auth.signToken("ana");
  const ana = await newToken();

  walk.say("portero at the door of a small catalog service. Every step is a real HTTP request, and is checked.", [
    ["catalog", catalog.url],
    ["auth, gRPC", auth.grpc.url],
    ["auth, REST", auth.rest.url],
    ["cache", redis ? `in the process, and shared on ${redis.url}` : "in the process"],
  ]);
  if (!redis) walk.say("There is no redis-server on this machine: the demo goes on without a shared cache.");

  walk.chapter("Everything is up");
  await walk.step({
    title: "Ana lists the products of her local. The catalog has never seen her token.",
    act: () => visitor.visit({ path: MADRID, token: ana }),
    expect: { status: 200, source: "grpc", grpcCalls: 1, restCalls: 0 },
  });
  await walk.step({
    title: "She does it again. The catalog has her in its cache, and asks nothing.",
    act: () => visitor.visit({ path: MADRID, token: ana }),
    expect: { status: 200, source: "process", grpcCalls: 0, restCalls: 0 },
  });
  if (redis) {
    await until(async () => (await redis.size()) > 0); // it is written behind the answer
    await walk.step({
      title: "She reaches a second instance of the catalog. It finds her in Redis.",
      act: async () => {
        const visitSecond = async () => visitor.visit({ path: MADRID, token: ana, catalog: await openCatalog() });
        const seen = await visitSecond();
        // Portero waits 50 ms for Redis, then asks the service: where a machine is too busy for that, one more instance tries.
        return seen.source === "shared" ? seen : visitSecond();
      },
      expect: { status: 200, source: "shared", grpcCalls: 0, restCalls: 0 },
    });
  }
  await walk.step({
    title: "She adds a product: she has the permission products:write.",
    act: () => visitor.visit({ path: MADRID, token: ana, body: EMPANADA }),
    expect: { status: 201, source: "process", grpcCalls: 0, restCalls: 0 },
  });
  await walk.step({
    title: "She looks at the inventory. Does her organization have that module? The auth service is asked once.",
    act: () => visitor.visit({ path: "/locals/madrid/inventory", token: ana }),
    expect: { status: 200, source: "process", grpcCalls: 1, restCalls: 0 },
  });

  walk.chapter("Requests that are refused");
  await walk.step({
    title: "Ana asks for a local that is not hers.",
    act: () => visitor.visit({ path: "/locals/bilbao/products", token: ana }),
    expect: { status: 403, code: "insufficient_scope", source: "process", grpcCalls: 0, restCalls: 0 },
  });
  const luis = await auth.signToken("luis");
  await walk.step({
    title: "Luis works in Madrid too, but may only read. He tries to add a product.",
    act: () => visitor.visit({ path: MADRID, token: luis, body: EMPANADA }),
    expect: { status: 403, code: "insufficient_scope", source: "grpc", grpcCalls: 1, restCalls: 0 },
  });
  const marta = await auth.signToken("marta");
  await walk.step({
    title: "Marta's organization has no inventory module. Her token and her organization are new: two calls.",
    act: () => visitor.visit({ path: "/locals/bilbao/inventory", token: marta }),
    expect: { status: 403, code: "insufficient_scope", source: "grpc", grpcCalls: 2, restCalls: 0 },
  });
  await walk.step({
    title: "A request without a token.",
    act: () => visitor.visit({ path: MADRID }),
    expect: { status: 401, code: "missing_token", source: undefined, grpcCalls: 0, restCalls: 0 },
  });
  await walk.step({
    title: "A request with garbage. The auth service refuses it, and that is final: REST is not asked.",
    act: () => visitor.visit({ path: MADRID, token: "garbage" }),
    expect: { status: 401, code: "invalid_token", source: undefined, grpcCalls: 1, restCalls: 0 },
  });
  await walk.step({
    title: "The same garbage again. Refusals are cached for a while, too.",
    act: () => visitor.visit({ path: MADRID, token: "garbage" }),
    expect: { status: 401, code: "invalid_token", source: undefined, grpcCalls: 0, restCalls: 0 },
  });
  const expired = await auth.signToken("ana", -60);
  await walk.step({
    title: "Ana comes with a token that expired a minute ago.",
    act: () => visitor.visit({ path: MADRID, token: expired }),
    expect: { status: 401, code: "invalid_token", source: undefined, grpcCalls: 1, restCalls: 0 },
  });
  const pau = await auth.signToken("pau");
  await walk.step({
    title: "Pau's token is good, but his account is not active.",
    act: () => visitor.visit({ path: MADRID, token: pau }),
    expect: {
      status: 401,
      code: "inactive_user",
      source: undefined,
      grpcCalls: 1,
      restCalls: 0,
      grpcBreaker: "closed",
    },
  });

  walk.chapter("One of two replicas hangs");
  await walk.step({
    title:
      "A second server of the auth service takes questions and answers none. Of four new tokens nobody notices it.",
    act: async () => {
      const replica = await auth.openReplica();
      const ofTwo = await openCatalogOfTwo(replica.url);
      await visitor.visit({ path: MADRID, token: await newToken(), catalog: ofTwo });
      replica.hang();
      return visitor.watch(async () => {
        const seen = [];
        for (let visit = 0; visit < 4; visit++) {
          seen.push(await visitor.visit({ path: MADRID, token: await newToken(), catalog: ofTwo }));
        }
        if (replica.calls === 0) throw new Error("the replica that hangs was never asked");
        return seen.find(({ status, source }) => status !== 200 || source !== "grpc") ?? seen[0]!;
      });
    },
    expect: { status: 200, source: "grpc", grpcCalls: 4, restCalls: 0, grpcBreaker: "closed" },
  });

  if (second) {
    walk.chapter("The rights of a user change");
    await walk.step({
      title:
        "Luis was in the catalog and in a second process of it, and his rights change. The first is told; the second has forgotten him at once, and asks.",
      act: async () => {
        const [other, luis] = [await second.ready, await auth.signToken("luis")];
        await until(async () => (await other.status()).cache.log === "live");
        for (const each of [catalog, other]) await visitor.visit({ path: MADRID, token: luis, catalog: each });
        const { heard } = (await other.status()).cache;
        await catalog.client.invalidateUser({ userId: "luis", organizationId: "la-espiga" });
        await until(async () => (await other.status()).cache.heard > heard);
        return visitor.visit({ path: MADRID, token: luis, catalog: other });
      },
      expect: { status: 200, source: "grpc", grpcCalls: 1, restCalls: 0 },
    });
  }

  walk.chapter("gRPC is stopped");
  await auth.grpc.stop();
  await walk.step({
    title: "Ana with a new token: gRPC cannot be reached, REST answers the same request.",
    act: async () => visitor.visit({ path: MADRID, token: await newToken() }),
    expect: { status: 200, source: "rest", grpcCalls: 0, restCalls: 1, fallback: "unreachable", grpcBreaker: "closed" },
  });
  await walk.step({
    title: "Two more new tokens. That makes three failures of gRPC in a row: its breaker opens.",
    act: () =>
      visitor.watch(async () => {
        await visitor.visit({ path: MADRID, token: await newToken() });
        return visitor.visit({ path: MADRID, token: await newToken() });
      }),
    expect: { status: 200, source: "rest", grpcCalls: 0, restCalls: 2, fallback: "unreachable", grpcBreaker: "open" },
  });
  await walk.step({
    title: "One more. Nothing waits for gRPC now: the call goes straight to REST.",
    act: async () => visitor.visit({ path: MADRID, token: await newToken() }),
    expect: { status: 200, source: "rest", grpcCalls: 0, restCalls: 1, fallback: "open", restBreaker: "closed" },
  });

  walk.chapter("gRPC and REST are stopped");
  await auth.rest.stop();
  await walk.step({
    title: "Ana with her first token: the catalog knows her, and goes on serving her.",
    act: () => visitor.visit({ path: MADRID, token: ana }),
    expect: { status: 200, source: "process", grpcCalls: 0, restCalls: 0 },
  });
  await walk.step({
    title: "Luis with a new token, which cannot be verified now. That is no 401, and it says when to come back.",
    act: async () => visitor.visit({ path: MADRID, token: await auth.signToken("luis") }),
    expect: {
      status: 503,
      code: "auth_unavailable",
      retryAfter: true,
      grpcCalls: 0,
      restCalls: 0,
      restBreaker: "open",
    },
  });

  walk.chapter("Both are back");
  await Promise.all([auth.grpc.start(), auth.rest.start()]);
  await until(() => isRecovered(catalog.client.status()));
  await walk.step({
    title: "A second later each breaker lets one probe through. Both succeed, and the breakers close.",
    act: () =>
      visitor.watch(async () => {
        const answer = await visitor.visit({ path: MADRID, token: await newToken() });
        await until(() => visitor.healthy); // one of the probes may still be under way
        return answer;
      }),
    // The faster one answers.
    expect: {
      status: 200,
      source: ["grpc", "rest"],
      grpcCalls: 1,
      restCalls: 1,
      grpcBreaker: "closed",
      restBreaker: "closed",
    },
  });
  await walk.step({
    title: "From now on, it is gRPC again, and REST has a rest.",
    act: async () => visitor.visit({ path: MADRID, token: await newToken() }),
    expect: { status: 200, source: "grpc", grpcCalls: 1, restCalls: 0, fallback: undefined },
  });
}

/** Whether neither breaker keeps its upstream from being asked. */
function isRecovered({ grpc, rest }: AuthClientStatus): boolean {
  return grpc?.breaker !== "open" && rest?.breaker !== "open";
}
