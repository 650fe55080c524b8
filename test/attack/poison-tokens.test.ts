import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import type { AuthClient, AuthClientOptions } from "../../src/client.js";
import type { FakeAuthService, Side } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { startRawRest } from "../support/raw-upstreams.js";

const opened = closedAfterEach();

/** Four times what opens a breaker. */
const ATTEMPTS = 20;
const RECOVERY_MS = 30_000;
const directory = { users: { "token-ana": { id: "ana" }, "token-own": { id: "stranger" } } };

let strangers = 0;

/** Asks with tokens that nobody has seen before, one after the other, and returns what became of them. */
async function attack(client: AuthClient, attempts = ATTEMPTS): Promise<string[]> {
  const codes = new Set<string>();
  for (let attempt = 0; attempt < attempts; attempt++) {
    const outcome = client.verifyToken(`poison-${strangers++}`);
    codes.add(
      await outcome.then(
        () => "let in",
        (error: { code: string }) => error.code,
      ),
    );
  }
  return [...codes];
}

/** The stranger has an account, and asks with its token every time anew. */
async function ownGoodToken(client: AuthClient): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) await client.verifyToken("token-own", { fresh: true });
}

/** Whom others ask for now, and over which way. */
async function ana(client: AuthClient): Promise<string> {
  const { user, source } = await client.verifyToken("token-ana", { fresh: true });
  return `${user.id} by ${source}`;
}

function breakers(client: AuthClient) {
  const { grpc, rest } = client.status();
  return [grpc && `${grpc.breaker} ${grpc.failures}`, rest && `${rest.breaker} ${rest.failures}`];
}

/** The sides fail at the strangers' tokens alone: they are well again when others ask. */
async function poisoned(service: FakeAuthService, what: () => Promise<unknown>, ...ills: (() => void)[]) {
  for (const fallIll of ills) fallIll();
  try {
    return await what();
  } finally {
    service.grpc.allow();
    service.rest.allow();
  }
}

const failing = (side: Side, code: number) => () => side.fail(code);

const GRPC_BROKEN = [
  Code.Unknown,
  Code.Internal,
  Code.DataLoss,
  Code.Aborted,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.AlreadyExists,
];

describe("Strangers' tokens that make both sides fail open no breaker:", () => {
  test.each(GRPC_BROKEN.map((code) => ({ code, name: Code[code] })))(
    "gRPC throws $name and REST answers 500",
    async ({ code }) => {
      const service = await startService(directory);
      const client = openClient(service);

      const codes = await poisoned(
        service,
        () => attack(client),
        failing(service.grpc, code),
        failing(service.rest, 500),
      );

      expect(codes).toEqual(["auth_unavailable"]);
      expect(breakers(client)).toEqual(["closed 0", "closed 0"]);
      expect(await ana(client)).toBe("ana by grpc");
    },
  );

  test.each([500, 501, 505, 404, 405, 418, 302, 204])("gRPC throws UNKNOWN and REST answers %d", async (status) => {
    const service = await startService(directory);
    const client = openClient(service);

    const ills = [failing(service.grpc, Code.Unknown), failing(service.rest, status)];
    const codes = await poisoned(service, () => attack(client), ...ills);

    expect(codes).toEqual(["auth_unavailable"]);
    expect(breakers(client)).toEqual(["closed 0", "closed 0"]);
    expect(await ana(client)).toBe("ana by grpc");
  });

  test("gRPC throws and REST is out of reach, which is its own fault alone", async () => {
    const service = await startService(directory);
    const client = openClient(service);

    const ills = [failing(service.grpc, Code.Unknown), failing(service.rest, 503)];
    await poisoned(service, () => attack(client), ...ills);

    expect(breakers(client)[0]).toBe("closed 0");
    expect(await ana(client)).toBe("ana by grpc");
  });
});

describe("Strangers' tokens that make one side fail take the way to the service from nobody:", () => {
  test.each([
    ["refuses", 401],
    ["refuses differently", 422],
  ])("gRPC throws and REST %s", async (_how, status) => {
    const service = await startService(directory);
    const client = openClient(service);

    const ills = [failing(service.grpc, Code.Unknown), () => service.rest.refuse(status)];
    const codes = await poisoned(service, () => attack(client), ...ills);

    expect(codes).toEqual(["invalid_token"]);
    expect(breakers(client)).toEqual(["closed 0", "closed 0"]);
    await service.rest.stop(); // who had been driven there would stand before a closed door now
    expect(await ana(client)).toBe("ana by grpc");
  });

  test("gRPC throws at the stranger's own good token, and REST answers it", async () => {
    const service = await startService(directory);
    const client = openClient(service);

    await poisoned(service, () => ownGoodToken(client), failing(service.grpc, Code.Unknown));

    expect(breakers(client)[1]).toBe("closed 0");
    expect(await ana(client)).toBe("ana by rest");
  });

  test("the way is straight again after the recovery time", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const client = openClient(service, { clock });
    await poisoned(service, () => ownGoodToken(client), failing(service.grpc, Code.Unknown));
    expect(breakers(client)[0]).toBe("open 0");

    await clock.advance(RECOVERY_MS);
    await ana(client); // whoever comes first: gRPC is probed beside REST
    await clock.advance(0);

    expect(breakers(client)).toEqual(["closed 0", "closed 0"]);
    expect(await ana(client)).toBe("ana by grpc");
  });
});

describe("With gRPC down, when REST is all that is left,", () => {
  test.each([500, 404, 302])("strangers' tokens that make it answer %d do not open its breaker", async (status) => {
    const service = await startService(directory);
    const client = openClient(service);
    await service.grpc.stop();
    for (let call = 0; call < 5; call++) expect(await ana(client)).toBe("ana by rest");
    expect(breakers(client)[0]).toBe("open 0");

    const codes = await poisoned(service, () => attack(client), failing(service.rest, status));

    expect(codes).toEqual(["auth_unavailable"]);
    expect(breakers(client)[1]).toBe("closed 0");
    expect(await ana(client)).toBe("ana by rest");
  });
});

describe("A half-open breaker", () => {
  test.each([
    ["fails at", (rest: Side) => rest.fail(500)],
    ["refuses", (rest: Side) => rest.refuse()],
  ])(
    "is not opened again by a stranger's token that took the probe and REST %s, and the next one closes it",
    async (_how, fall) => {
      const service = await startService(directory);
      const clock = new ManualClock();
      const client = openClient(service, { clock });
      service.grpc.fail();
      for (let call = 0; call < 5; call++) await ana(client);
      await clock.advance(RECOVERY_MS);
      service.grpc.allow();

      const ills = [failing(service.grpc, Code.Unknown), () => fall(service.rest)];
      await poisoned(service, () => attack(client), ...ills);
      await clock.advance(0);

      expect(breakers(client)).toEqual(["half-open 0", "closed 0"]);
      await ana(client);
      await clock.advance(0);
      expect(await ana(client)).toBe("ana by grpc");
    },
  );
});

describe("An upstream that stands alone", () => {
  async function startAlone(side: "grpc" | "rest", options: Partial<AuthClientOptions> = {}) {
    const service = await startService(directory);
    const client = openBareClient({
      [side]: { ...service.upstreams[side], timeoutMs: 60_000 },
      retry: { attempts: 1 },
      ...options,
    });
    return { service, client };
  }

  test.each([
    ["grpc", Code.Unknown],
    ["rest", 500],
  ] as const)("keeps its breaker closed: %s fails with %d at strangers' tokens", async (side, code) => {
    const { service, client } = await startAlone(side);

    const codes = await poisoned(service, () => attack(client), failing(service[side], code));

    expect(codes).toEqual(["auth_unavailable"]);
    expect(client.status()[side]).toMatchObject({ breaker: "closed", failures: 0 });
    expect(await ana(client)).toBe(`ana by ${side}`);
  });

  test("keeps it closed when a token makes it answer nonsense", async () => {
    const rest = opened(await startRawRest((response) => void response.end("<html>500</html>")));
    const client = openBareClient({ rest: { url: rest.url, timeoutMs: 60_000 }, retry: { attempts: 1 } });

    expect(await attack(client)).toEqual(["auth_unavailable"]);

    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
    expect(rest.requests).toHaveLength(ATTEMPTS);
  });
});
