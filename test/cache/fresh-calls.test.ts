import { describe, expect, test } from "@jest/globals";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const DEADLINE_MS = 3000;
const FRESH = { fresh: true };

async function gated() {
  const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["read"] } } });
  const gate = new AnswerGate();
  const clock = new ManualClock();
  const client = openClient(service, { clock, deadlineMs: DEADLINE_MS, grpc: { interceptors: [gate.interceptor] } });
  gate.close();
  const ask = (options = FRESH) => client.verifyToken("token-ana", options);
  return { service, gate, clock, client, ask };
}

describe("Of fresh calls about one token", () => {
  test("one is under way, and all that come meanwhile wait for the next one together", async () => {
    const { service, gate, client, ask } = await gated();
    const first = ask();
    await until(() => gate.held === 1);
    service.allow("token-ana", { id: "ana", permissions: ["read", "write"] });
    const others = Array.from({ length: 1350 }, () => ask());
    await settle();
    expect([service.calls.total, client.status().upstream]).toMatchObject([1, { active: 1, queued: 0 }]);
    gate.release();
    expect((await first).user.permissions).toEqual(["read"]);
    await until(() => gate.held === 1);
    gate.release();
    const answers = await Promise.all(others);
    expect(answers.every(({ user }) => user.permissions.length === 2)).toBe(true);
    expect(service.calls.total).toBe(2);
  });

  test("none gets what was asked before it came: who comes during the second one waits for a third", async () => {
    const { service, gate, ask } = await gated();
    const first = ask();
    await until(() => gate.held === 1);
    const second = ask();
    gate.release();
    await first;
    await until(() => gate.held === 1);
    service.refuse("token-ana");
    const third = ask().catch(({ code }) => code);
    gate.release();
    expect((await second).user.id).toBe("ana");
    await until(() => gate.held === 1);
    gate.release();
    expect(await third).toBe("invalid_token");
    expect(service.calls.total).toBe(3);
  });

  test("the next one does not wait for one that hangs longer than twice the usual time, and each that hangs doubles that", async () => {
    const { service, gate, clock, ask } = await gated();
    void ask().catch(() => undefined);
    await until(() => gate.held === 1);
    void ask().catch(() => undefined);
    await clock.advance(199);
    expect(service.calls.total).toBe(1);
    await clock.advance(1);
    await until(() => gate.held === 2);
    void ask().catch(() => undefined);
    await clock.advance(399);
    expect(service.calls.total).toBe(2);
    await clock.advance(1);
    await until(() => gate.held === 3);
    gate.release();
    gate.open();
  });

  test("which is what answers have taken so far", async () => {
    const { service, gate, clock, ask } = await gated();
    const first = ask();
    await until(() => gate.held === 1);
    await clock.advance(30);
    gate.release();
    await first;
    void ask().catch(() => undefined);
    await until(() => gate.held === 1);
    void ask().catch(() => undefined);
    await clock.advance(59);
    expect(service.calls.total).toBe(2);
    await clock.advance(1);
    await until(() => gate.held === 2);
    gate.release();
    gate.open();
  });

  test("nor sooner because garbage, which strangers can send, is refused in no time", async () => {
    const { service, gate, clock, client, ask } = await gated();
    gate.open();
    for (let garbage = 0; garbage < 10; garbage++)
      await client.verifyToken(`garbage-${garbage}`).catch(() => undefined);
    gate.close();
    const before = service.calls.total;
    void ask().catch(() => undefined);
    await until(() => gate.held === 1);
    void ask().catch(() => undefined);
    await clock.advance(199);
    expect(service.calls.total - before).toBe(1);
    gate.release();
    gate.open();
  });

  test("the next one has what is left of the deadline of the first that waits for it", async () => {
    const { service, gate, clock, client } = await gated();
    service.grpc.hang();
    service.rest.hang();
    gate.open();
    const first = client.verifyToken("token-ana", FRESH).catch(({ code }) => code);
    await until(() => service.calls.total === 1);
    await clock.advance(100);
    let ended = false;
    const second = client.verifyToken("token-ana", FRESH).catch(({ code }) => {
      ended = true;
      return code;
    });
    await clock.advance(DEADLINE_MS - 1);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect([await first, await second]).toEqual(["auth_unavailable", "auth_unavailable"]);
  });

  test("a caller that gives up does not end the turn of the others", async () => {
    const { gate, client, ask } = await gated();
    const first = ask();
    await until(() => gate.held === 1);
    const controller = new AbortController();
    const given = client.verifyToken("token-ana", { fresh: true, signal: controller.signal }).catch((error) => error);
    const second = ask();
    controller.abort("enough");
    expect(await given).toBe("enough");
    gate.release();
    await first;
    await until(() => gate.held === 1);
    gate.release();
    expect((await second).user.id).toBe("ana");
  });

  test("one that is not fresh joins the one under way, not the one that waits", async () => {
    const { service, gate, client, ask } = await gated();
    const first = ask();
    await until(() => gate.held === 1);
    const second = ask();
    const plain = client.verifyToken("token-ana");
    gate.release();
    await Promise.all([first, plain]);
    expect(service.calls.total).toBe(1);
    await until(() => gate.held === 1);
    gate.release();
    await second;
  });

  test("other tokens do not wait", async () => {
    const { service, gate, client, ask } = await gated();
    service.allow("token-ben", { id: "ben" });
    const first = ask();
    await until(() => gate.held === 1);
    const other = client.verifyToken("token-ben", FRESH);
    await until(() => gate.held === 2);
    gate.release();
    expect((await Promise.all([first, other])).map(({ user }) => user.id)).toEqual(["ana", "ben"]);
  });
});
