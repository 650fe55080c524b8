import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import { openLink, openWire, type RedisLink } from "../../src/cache/redis-link.js";
import type { RedisEndpoint } from "../../src/cache/redis-topology.js";
import { listen } from "../support/listen.js";
import { settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { rejectionOf } from "../support/rejection.js";
import { selfSigned } from "../support/self-signed.js";
import { until } from "../support/until.js";

const KEY = "portero:1:key";

/** Answers commands by their names, and the rest with OK; a text that is empty is no answer. */
async function start(answers: Record<string, string | ((socket: Socket) => void)> = {}) {
  const commands: string[][] = [];
  const redis = await startFakeRedis((words, socket) => {
    commands.push(words);
    const answer = answers[words[0] ?? ""] ?? "+OK\r\n";
    if (typeof answer === "string") socket.write(answer);
    else answer(socket);
  });
  afterwards(() => redis.close());
  return { redis, commands, endpoint: endpointAt(Number(new URL(redis.url).port)) };
}

function endpointAt(port: number): RedisEndpoint {
  return { host: "127.0.0.1", port, database: 0, secure: false, tls: undefined };
}

async function linkTo(endpoint: RedisEndpoint) {
  const link = await openLink(endpoint);
  const errors: Error[] = [];
  link.onError((error) => errors.push(error));
  afterwards(() => link.destroy());
  return { link, errors };
}

async function wireTo(endpoint: RedisEndpoint) {
  const wire = await openWire(endpoint);
  wire.onError(() => undefined);
  afterwards(() => wire.destroy());
  await wire.connect();
  return wire;
}

describe("A link to Redis", () => {
  test.each<[string, Partial<RedisEndpoint>, readonly (readonly string[])[]]>([
    ["nothing", {}, []],
    ["a password", { password: "hunter2" }, [["AUTH", "hunter2"]]],
    ["a name and a password", { username: "portero", password: "hunter2" }, [["AUTH", "portero", "hunter2"]]],
    ["a name alone", { username: "portero" }, [["AUTH", "portero", ""]]],
    ["a database", { database: 3 }, [["SELECT", "3"]]],
    [
      "all of it",
      { username: "portero", password: "hunter2", database: 15 },
      [
        ["AUTH", "portero", "hunter2"],
        ["SELECT", "15"],
      ],
    ],
  ])("is let in with %s, and asks for nothing that a user of few rights may not do", async (_what, given, expected) => {
    const { commands, endpoint } = await start({ PING: "+PONG\r\n" });
    const { link, errors } = await linkTo({ ...endpoint, ...given });
    await link.connect();
    expect(commands).toEqual(expected);
    await expect(link.send(["PING"])).resolves.toBe("PONG");
    expect(commands.slice(expected.length)).toEqual([["PING"]]);
    expect(errors).toEqual([]);
  });

  test.each<[string, Partial<RedisEndpoint>, Record<string, string>, string]>([
    ["name or password", { password: "wrong" }, { AUTH: "-WRONGPASS invalid\r\n" }, "WRONGPASS invalid"],
    ["the database", { database: 99 }, { SELECT: "-ERR DB index is out of range\r\n" }, "ERR DB index is out of range"],
  ])("is not connected where Redis refuses %s, and not tried again", async (_what, given, answers, message) => {
    const { redis, endpoint } = await start(answers);
    const { link, errors } = await linkTo({ ...endpoint, ...given });
    await expect(link.connect()).rejects.toThrow(message);
    expect(errors.map((error) => error.message)).toContain(message);
    await until(() => redis.standing === 0);
    expect(redis.connections).toBe(1);
    await expect(link.send(["PING"])).rejects.toThrow("The client is closed");
  });

  test("is not connected where nothing listens, and not tried again", async () => {
    const { redis, endpoint } = await start();
    await redis.close();
    const { link, errors } = await linkTo(endpoint);
    await expect(link.connect()).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(errors).toMatchObject([{ code: "ECONNREFUSED" }]);
    await expect(link.send(["PING"])).rejects.toThrow("The client is closed");
  });

  test("has 500 ms to reach the address", async () => {
    const { endpoint } = await start();
    const limits: (number | undefined)[] = [];
    const onSocket = (message: unknown) => {
      const { socket } = message as { socket: Socket };
      setImmediate(() => limits.push(socket.timeout));
    };
    subscribe("net.client.socket", onSocket);
    afterwards(() => unsubscribe("net.client.socket", onSocket));
    const { link } = await linkTo(endpoint);
    await link.connect();
    await until(() => limits.length > 0);
    expect(limits).toEqual([500]);
  });

  test("takes no command while it is connecting: it would wait", async () => {
    const { commands, endpoint } = await start({ AUTH: "" });
    const { link } = await linkTo({ ...endpoint, password: "hunter2" });
    const connecting = rejectionOf(link.connect());
    await expect(link.send(["PING"])).rejects.toThrow("The client is offline");
    await until(() => commands.length > 0);
    await expect(link.send(["PING"])).rejects.toThrow("The client is offline");
    link.destroy();
    expect(await connecting).toBeInstanceOf(Error);
    expect(commands).toEqual([["AUTH", "hunter2"]]);
  });

  test("rejects commands that wait when the connection ends, tells of it, and is not connected anew", async () => {
    const { redis, endpoint } = await start({ XREAD: (socket) => socket.destroy() });
    const { link, errors } = await linkTo(endpoint);
    await link.connect();
    const waiting = [rejectionOf(link.send(["XREAD"])), rejectionOf(link.send(["XREAD"]))];
    for (const error of await Promise.all(waiting)) expect(error).toBeInstanceOf(Error);
    expect(errors.length).toBeGreaterThan(0);
    await expect(link.send(["PING"])).rejects.toThrow("The client is closed");
    expect(redis.connections).toBe(1);
  });

  test("rejects with the error of Redis, and stands", async () => {
    const { endpoint } = await start({ XADD: "-NOPERM no permissions\r\n", XREAD: "*2\r\n$1\r\na\r\n:5\r\n" });
    const { link, errors } = await linkTo(endpoint);
    await link.connect();
    await expect(link.send(["XADD", "a"])).rejects.toThrow("NOPERM no permissions");
    await expect(link.send(["XREAD", "a"])).resolves.toEqual(["a", 5]);
    expect(errors).toEqual([]);
  });
});

describe("A guard", () => {
  test("sees all that comes in, from the first byte on, and nothing else", async () => {
    const { endpoint } = await start({ AUTH: "+OK\r\n", PING: "+PONG\r\n" });
    const { link, errors } = await linkTo({ ...endpoint, password: "hunter2" });
    const seen: unknown[] = [];
    link.guard((chunk) => seen.push(chunk) > 0);
    await link.connect();
    await link.send(["PING"]);
    expect(seen.every((chunk) => Buffer.isBuffer(chunk))).toBe(true);
    expect(Buffer.concat(seen as Buffer[]).toString()).toBe("+OK\r\n+PONG\r\n");
    expect(errors).toEqual([]);
  });

  test("lets nothing be decoded that it refuses", async () => {
    const { endpoint } = await start({ GET: "%33000000\r\n", PING: "+PONG\r\n" });
    const { link, errors } = await linkTo(endpoint);
    const seen: string[] = [];
    link.guard((chunk) => {
      seen.push(chunk.toString());
      return chunk[0] === "+".charCodeAt(0);
    });
    await link.connect();
    const getting = link.send(["GET"]);
    await until(() => seen.length === 1);
    const pinging = rejectionOf(link.send(["PING"]));
    await expect(getting).resolves.toBe("PONG"); // the first answer that was let through
    link.destroy();
    expect(await pinging).toBeInstanceOf(Error);
    expect([seen, errors]).toEqual([["%33000000\r\n", "+PONG\r\n"], []]);
  });

  test("is not asked by a client that shows nobody its socket, which works all the same", async () => {
    const { endpoint } = await start({ PING: "+PONG\r\n" });
    let owner: { _ejectSocket?: unknown } = createClient();
    while (!Object.hasOwn(owner, "_ejectSocket")) owner = Object.getPrototypeOf(owner);
    const eject = owner._ejectSocket;
    owner._ejectSocket = undefined;
    afterwards(() => {
      owner._ejectSocket = eject;
    });
    const { link } = await linkTo(endpoint);
    link.guard(() => false);
    await link.connect();
    await expect(link.send(["PING"])).resolves.toBe("PONG");
  });
});

describe("Destroying a link", () => {
  test("ends it at once: commands that wait reject, nothing more is sent, and the second time does no harm", async () => {
    const { redis, commands, endpoint } = await start({ XREAD: "" });
    const { link } = await linkTo(endpoint);
    await link.connect();
    const waiting = rejectionOf(link.send(["XREAD"]));
    await until(() => commands.length === 1);
    link.destroy();
    const later = link.send(["PING"]);
    await expect(later).rejects.toThrow("The client is closed");
    expect(await waiting).toBeInstanceOf(Error);
    link.destroy();
    await until(() => redis.standing === 0);
    expect([commands, redis.connections]).toEqual([[["XREAD"]], 1]);
  });

  test("before it is connected does no harm", async () => {
    const { redis, endpoint } = await start();
    const { link } = await linkTo(endpoint);
    link.destroy();
    await expect(link.connect()).rejects.toThrow();
    expect(redis.connections).toBe(0);
  });

  test.each([
    ["speaking TLS to one that is silent", { secure: true }],
    ["waiting to be let in", { password: "hunter2" }],
  ])("ends it while it is %s", async (_what, given) => {
    let [connections, ended] = [0, 0];
    const silent = createServer((socket) => {
      connections++;
      socket.on("error", () => undefined).resume();
      socket.once("close", () => ended++);
    });
    const { link, errors } = await linkTo({ ...endpointAt(await listen(silent)), ...given });
    afterwards(() => silent.close());
    const connecting = rejectionOf(link.connect());
    await until(() => connections === 1);
    link.destroy();
    expect(await connecting).toBeInstanceOf(Error);
    await until(() => ended === 1);
    await settle();
    expect(connections).toBe(1);
    expect(errors.every((error) => error instanceof Error)).toBe(true);
  });

  test("ends it where it has not reached the address", async () => {
    const { redis, endpoint } = await start();
    const { link } = await linkTo(endpoint);
    const connecting = rejectionOf(link.connect());
    link.destroy();
    expect(await connecting).toBeInstanceOf(Error);
    await until(() => redis.standing === 0);
  });
});

describe("A link that speaks TLS", () => {
  const { key, cert } = selfSigned();

  async function startTls() {
    let connections = 0;
    const server = createTlsServer({ key, cert }, (socket) => {
      connections++;
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write("+PONG\r\n"));
    });
    const port = await listen(server);
    afterwards(() => server.close());
    return { endpoint: { ...endpointAt(port), secure: true }, connected: () => connections };
  }

  test.each([
    ["as they are", () => ({ ca: cert })],
    ["by a function", () => () => ({ ca: cert })],
  ])("trusts the authorities that it is given %s", async (_how, source) => {
    const { endpoint, connected } = await startTls();
    const { link } = await linkTo({ ...endpoint, tls: source() });
    await link.connect();
    await expect(link.send(["PING"])).resolves.toBe("PONG");
    expect(connected()).toBe(1);
  });

  test("trusts no other one", async () => {
    const { endpoint } = await startTls();
    const { link } = await linkTo(endpoint);
    await expect(link.connect()).rejects.toMatchObject({ code: expect.stringMatching(/CERT/) });
  });

  test("is not made without certificates that can be used", async () => {
    const { endpoint, connected } = await startTls();
    await expect(openLink({ ...endpoint, tls: () => ({ ca: "none" }) })).rejects.toThrow("no certificates in PEM");
    await expect(openWire({ ...endpoint, tls: () => ({ ca: "none" }) })).rejects.toThrow("no certificates in PEM");
    expect(connected()).toBe(0);
  });

  test("is one whose URL says so: certificates alone are not asked for", async () => {
    const { endpoint } = await start({ PING: "+PONG\r\n" });
    const tls = () => {
      throw new Error("it is asked for nothing");
    };
    const { link } = await linkTo({ ...endpoint, tls });
    await link.connect();
    await expect(link.send(["PING"])).resolves.toBe("PONG");
  });
});

describe("A wire", () => {
  test.each<[string, (wire: Awaited<ReturnType<typeof openWire>>) => Promise<unknown>, string, string[][], unknown]>([
    [
      "sets an entry as it is, under its key, until its end",
      (wire) => wire.set(KEY, '{"value":"ñ"}', 60_000),
      "+OK\r\n",
      [["SET", KEY, Buffer.from('{"value":"ñ"}').toString("latin1"), "PX", "60000"]],
      true,
    ],
    ["deletes one that was there", (wire) => wire.delete(KEY), ":1\r\n", [["UNLINK", KEY]], true],
    ["deletes one that was not there", (wire) => wire.delete(KEY), ":0\r\n", [["UNLINK", KEY]], false],
    [
      "reads several at once",
      (wire) => wire.getAll([KEY, "b", "c"]),
      '*3\r\n$3\r\n"a"\r\n$-1\r\n$0\r\n\r\n',
      [["MGET", KEY, "b", "c"]],
      ['"a"', null, ""],
    ],
    ["sends a command in its words", (wire) => wire.send(["TTL", KEY]), ":5\r\n", [["TTL", KEY]], 5],
    [
      "sends a command about a key on its way behind another",
      (wire) => wire.sendAsking(["TTL", KEY]),
      ":5\r\n",
      [["ASKING"], ["TTL", KEY]],
      5,
    ],
  ])("%s", async (_what, act, answer, expected, result) => {
    const { commands, endpoint } = await start({ [expected.at(-1)?.[0] as string]: answer });
    const wire = await wireTo(endpoint);
    expect(await act(wire)).toEqual(result);
    expect(commands).toEqual(expected);
  });

  const operations: [string, (wire: Awaited<ReturnType<typeof openWire>>) => Promise<unknown>][] = [
    ["set", (wire) => wire.set(KEY, "value", 60_000)],
    ["deleted", (wire) => wire.delete(KEY)],
    ["read", (wire) => wire.getAll([KEY])],
    ["sent", (wire) => wire.send(["TTL", KEY])],
    ["sent behind another", (wire) => wire.sendAsking(["TTL", KEY])],
  ];

  test.each(operations)("rejects with the error of Redis where nothing may be %s, and stands", async (_what, act) => {
    const refusal = "-NOPERM this user has no permissions\r\n";
    const { redis, endpoint } = await start({ SET: refusal, UNLINK: refusal, MGET: refusal, TTL: refusal });
    const wire = await wireTo(endpoint);
    for (let n = 0; n < 2; n++) await expect(act(wire)).rejects.toThrow("NOPERM this user has no permissions");
    expect([redis.connections, redis.standing]).toEqual([1, 1]);
  });

  test.each(operations)("rejects at once when the connection has ended, and makes no other: %s", async (_what, act) => {
    const { redis, commands, endpoint } = await start({ QUIT: (socket) => socket.destroy() });
    const wire = await wireTo(endpoint);
    await rejectionOf(wire.send(["QUIT"]));
    for (let n = 0; n < 2; n++) await expect(act(wire)).rejects.toThrow("The client is closed");
    expect([redis.connections, commands]).toEqual([1, [["QUIT"]]]);
  });

  test("lets a refusal of ASKING be: the command itself meets it", async () => {
    const { endpoint } = await start({ ASKING: "-ERR This instance has cluster support disabled\r\n", TTL: ":5\r\n" });
    const wire = await wireTo(endpoint);
    await expect(wire.sendAsking(["TTL", KEY])).resolves.toBe(5);
    await settle();
  });
});

test("A wire is a link: it can be guarded, and tells of errors.", async () => {
  const { endpoint } = await start({ QUIT: (socket) => socket.destroy() });
  const wire: RedisLink = await wireTo(endpoint);
  const errors: Error[] = [];
  wire.onError((error) => errors.push(error));
  await rejectionOf(wire.send(["QUIT"]));
  expect(errors.length).toBeGreaterThan(0);
});
