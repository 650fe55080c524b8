import { describe, expect, test } from "@jest/globals";
import { failure, watched } from "../support/fake-upstream.js";
import { inMemoryClients, RECOVERY_MS } from "./in-memory-client.js";

const create = inMemoryClients();

/** More than twice the time that an answer is taken to need before there was one. */
const PATIENCE_MS = 250;
const UNREACHABLE = failure("grpc", "unreachable", { network: true });
const UNPROCESSED = failure("grpc", "unreachable", { network: true, unprocessed: true });

/**
 * The service was asked about a token over REST and, as the probe of a breaker that is half open, over gRPC; later, by another call, over
 * REST alone. Nothing is answered yet.
 */
async function askedTwice() {
  const made = create();
  const { clock, grpc, rest, client, ask, turn } = made;
  grpc.behaviour = UNREACHABLE;
  for (let n = 0; n < 5; n++) {
    ask();
    await turn();
  }
  await clock.advance(RECOVERY_MS);
  grpc.behaviour = rest.behaviour = "hold";
  const early = watched(client.verifyToken("token-ana", { fresh: true }));
  await turn();
  const late = watched(client.verifyToken("token-ana", { fresh: true }));
  await clock.advance(PATIENCE_MS);
  const [probe] = grpc.held;
  const [ofEarly, ofLate] = rest.held;
  if (!probe || !ofEarly || !ofLate || grpc.held.length > 1) throw new Error("not asked as this suite means to");
  return { ...made, early, late, probe, ofEarly, ofLate };
}

describe("Of a call with two tries under way, one of which leaves again,", () => {
  test("the answer may be to the other: it does not undo a refusal that was asked for between", async () => {
    const { grpc, client, turn, early, late, probe, ofEarly, ofLate } = await askedTwice();
    ofLate.fail(failure("rest", "refused"));
    await turn();
    probe.fail(UNPROCESSED);
    await turn();
    expect(grpc.held).toHaveLength(2);
    ofEarly.answer();
    await turn();
    expect([early.state, late.state]).toEqual(["fulfilled", "rejected"]);
    expect(client.peekToken("token-ana")).toBeUndefined();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("the refusal may be to the latest: it undoes an answer that was asked for between", async () => {
    const { grpc, client, turn, early, late, probe, ofLate } = await askedTwice();
    ofLate.answer();
    await turn();
    expect(client.peekToken("token-ana")).toBeDefined();
    probe.fail(UNPROCESSED);
    await turn();
    grpc.held[1]?.fail(failure("grpc", "refused"));
    await turn();
    expect([early.state, late.state]).toEqual(["rejected", "fulfilled"]);
    expect(client.peekToken("token-ana")).toBeUndefined();
  });
});

test("A try that leaves again alone is as young as that: its answer counts", async () => {
  const { grpc, rest, client, turn, early, late, probe, ofEarly, ofLate } = await askedTwice();
  ofEarly.fail(failure("rest", "unreachable"));
  await turn();
  ofLate.fail(failure("rest", "refused"));
  await turn();
  probe.fail(UNPROCESSED);
  await turn();
  grpc.held[1]?.answer();
  await turn();
  expect([early.state, late.state, rest.held.length]).toEqual(["fulfilled", "rejected", 2]);
  expect(client.peekToken("token-ana")).toBeDefined();
});
