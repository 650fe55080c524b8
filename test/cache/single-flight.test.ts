import { expect, test } from "@jest/globals";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const users = { "token-ana": { id: "ana" }, "token-ben": { id: "ben" } };

test("100 concurrent requests with one cold token make one upstream call.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  const answers = await Promise.all(Array.from({ length: 100 }, () => client.verifyToken("token-ana")));
  expect(new Set(answers.map(({ user }) => user.id))).toEqual(new Set(["ana"]));
  expect(service.calls.total).toBe(1);
});

test("100 concurrent requests with one bad token make one upstream call.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => client.verifyToken("garbage")));
  expect(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason.code === "invalid_token")).toBe(
    true,
  );
  expect(service.calls.total).toBe(1);
});

test("One of 100 aborts, and the others get their answer.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  service.grpc.hang();
  const leaving = new AbortController();
  const calls = Array.from({ length: 100 }, (_, n) =>
    client.verifyToken("token-ana", n === 0 ? { signal: leaving.signal } : {}),
  );
  await until(() => service.grpc.calls.VerifyToken === 1);
  const reason = new Error("the client went away");
  leaving.abort(reason);
  await expect(calls[0]).rejects.toBe(reason);
  service.grpc.allow();
  const answers = await Promise.all(calls.slice(1));
  expect(answers.map(({ user }) => user.id)).toEqual(Array(99).fill("ana"));
  expect(service.calls.total).toBe(1);
});

test("The last one to abort does not end the flight: its answer is kept.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  service.grpc.hang();
  const leaving = new AbortController();
  const calls = [1, 2].map(() => client.verifyToken("token-ana", { signal: leaving.signal }));
  await until(() => service.grpc.calls.VerifyToken === 1);
  leaving.abort();
  for (const call of calls) await expect(call).rejects.toBe(leaving.signal.reason);
  service.grpc.allow();
  await until(() => client.status().inFlight === 0);
  expect(client.peekToken("token-ana")?.user.id).toBe("ana");
  expect(service.calls.total).toBe(1);
});

test("Who has aborted before asking does not ask.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  const reason = new Error("too late");
  await expect(client.verifyToken("token-ana", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect([service.calls.total, client.status().inFlight]).toEqual([0, 0]);
});

test("A flight that fails fails for all aboard, and the next caller begins another.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  service.rest.fail();
  service.grpc.hang();
  const calls = Promise.allSettled([1, 2, 3].map(() => client.verifyToken("token-ana")));
  await until(() => service.grpc.calls.VerifyToken === 1);
  service.grpc.fail();
  const outcomes = await calls;
  expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.code)).toEqual(
    Array(3).fill("auth_unavailable"),
  );
  service.grpc.allow();
  expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
  expect(service.grpc.calls.VerifyToken).toBe(2);
});

test("Two tokens make two flights.", async () => {
  const service = await startService({ users });
  const client = openClient(service);
  const [ana, ben] = await Promise.all([client.verifyToken("token-ana"), client.verifyToken("token-ben")]);
  expect([ana.user.id, ben.user.id, service.calls.VerifyToken]).toEqual(["ana", "ben", 2]);
});

test("Two organizations are two questions, and two entries.", async () => {
  const service = await startService({ organizations: { "org-1": { modules: ["stock"] }, "org-2": {} } });
  const client = openClient(service);
  for (let time = 0; time < 2; time++) {
    const both = await Promise.all(["org-1", "org-2"].map((id) => client.getOrganization(id)));
    expect(both.map(({ id, modules }) => [id, modules])).toEqual([
      ["org-1", ["stock"]],
      ["org-2", []],
    ]);
  }
  expect(service.calls.GetOrganization).toBe(2);
});

test("Look-ups fly together too, each kind for itself.", async () => {
  const service = await startService({ users, organizations: { "org-1": {} } });
  const client = openClient(service);
  const ana = { userId: "ana", organizationId: "org-1" };
  await Promise.all(
    Array.from({ length: 20 }, () => [
      client.getUserLocals(ana),
      client.getUserPermissions(ana),
      client.getOrganization("org-1"),
    ]).flat(),
  );
  expect(service.calls).toMatchObject({ GetUserLocals: 1, GetUserPermissions: 1, GetOrganization: 1, total: 3 });
});

test("100 concurrent requests with one cold token make one look into a shared store, and one upstream call.", async () => {
  const service = await startService({ users });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  await Promise.all(Array.from({ length: 100 }, () => client.verifyToken("token-ana")));
  expect([
    store.keys("token").length,
    store.log.filter((line) => line.startsWith("get portero:1:token:")).length,
  ]).toEqual([1, 1]);
  expect(service.calls.total).toBe(1);
});

test("A store that asks the same at once gets the same answer.", async () => {
  const service = await startService({ users });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  const inner: Promise<unknown>[] = [];
  store.before = () => {
    if (inner.length === 0) inner.push(client.verifyToken("token-ana"));
  };
  const answer = await client.verifyToken("token-ana");
  expect([await inner[0], answer.user.id]).toEqual([answer, "ana"]);
  expect(service.calls.total).toBe(1);
});
