import { describe, expect, test } from "@jest/globals";
import { inMemoryClients } from "./in-memory-client.js";

const create = inMemoryClients();
const GRPC_MS = 1000;

/** Enough answers in calm for the client to know what is usual. */
async function calm({ ask, clock }: ReturnType<typeof create>, answers = 20) {
  for (let answer = 0; answer < answers; answer++) ask();
  await clock.advance(0);
}

describe("the limit in force", () => {
  test("is that of the upstream that is asked first: gRPC black-holed and REST well, 300 a second, none is refused", async () => {
    const made = create();
    const { clock, client, grpc, ask } = made;
    await calm(made);
    grpc.behaviour = "hold";
    const calls = [];
    for (let ms = 0; ms < 4000; ms += 10) {
      calls.push(ask(), ask(), ask());
      await clock.advance(10);
    }
    expect(client.status().grpc).toMatchObject({ breaker: "open" });
    expect(client.status().upstream).toMatchObject({ queued: 0, limit: 256, strangersLimit: 192 });
    await clock.advance(3000);
    expect(calls.filter(({ state }) => state !== "fulfilled")).toEqual([]);
    expect(calls.at(-1)?.value?.source).toBe("rest");
  }, 60_000);

  test("falls by the timeouts of that upstream, and not by those of the other", async () => {
    const made = create({ limit: { maxConcurrent: 40, maxQueue: 1000 }, breaker: { failureThreshold: 1000 } });
    const { clock, client, grpc, ask } = made;
    await calm(made);
    grpc.behaviour = "hold";
    for (let call = 0; call < 100; call++) ask();
    await clock.advance(GRPC_MS);
    expect(client.status().upstream).toMatchObject({ strangersLimit: 21, limit: 40 });
    for (const { answer } of grpc.held) answer();
    grpc.behaviour = "answer";
    await clock.advance(GRPC_MS);
    expect(client.status().upstream.queued).toBe(0);
  });

  test("stays where calls time out while there is room", async () => {
    const made = create({ breaker: { failureThreshold: 1000 } });
    const { clock, client, grpc, ask } = made;
    await calm(made);
    grpc.behaviour = "hold";
    for (let call = 0; call < 100; call++) ask();
    await clock.advance(GRPC_MS);
    expect(client.status().upstream.strangersLimit).toBe(192);
  });
});
