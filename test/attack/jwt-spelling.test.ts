import { describe, expect, test } from "@jest/globals";
import { type AuthClient, authenticate, type VerifiedToken } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { jwtOf, unsignedJwt } from "../support/unsigned-jwt.js";

const encode = (text: string) => Buffer.from(text).toString("base64url");
const header = encode('{"alg":"ES256"}');
const payload = encode('{"sub":"ana"}');
/** 64 bytes, as ES256 signs: 86 characters, the last with four unused bits. */
const signature = Buffer.alloc(64, 7).toString("base64url");
const JWT = `${header}.${payload}.${signature}`;
const JWE = `${encode('{"alg":"dir","enc":"A128GCM"}')}..${encode("iv")}.${encode("cipher")}.${encode("tags")}`;

/** With an unused bit of the last character of a part set. */
function twinOf(token: string, part: number): string {
  const parts = token.split(".");
  const text = parts[part] as string;
  const twin = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    .map((last) => text.slice(0, -1) + last)
    .find((other) => other !== text && Buffer.from(other, "base64url").equals(Buffer.from(text, "base64url")));
  if (twin === undefined) throw new Error("this part has no unused bits");
  return parts.with(part, twin).join(".");
}

describe("A JWT in another spelling than its issuer's is malformed, and no service is asked:", () => {
  test.each([
    ["unused bits of its signature", twinOf(JWT, 2)],
    ["unused bits of its payload", twinOf(jwtOf('{"sub":"a"}'), 1)],
    ["unused bits of its header", twinOf(`${encode('{"alg":"none"}')}.${payload}.`, 0)],
    ["padding", `${JWT}==`],
    ["the other alphabet, +", `${header}.${payload}.${"-_".repeat(8)}`.replace(/-_$/, "+_")],
    ["the other alphabet, /", `${header}.${payload}.${"-_".repeat(8)}`.replace(/-_$/, "-/")],
    ["a character that decoders skip, in its signature", `${header}.${payload}.~${signature}`],
    ["a character that decoders skip, in its header", `${header.slice(0, 4)}~${JWT.slice(4)}`],
    ["a length that no bytes have", `${header}.${payload}.${signature}AAA`],
    ["blanks before its header", `${encode(' {"alg":"x"}')}.${payload}.${twinOf(JWT, 2).split(".")[2]}`],
    ["a line break before its header", `${encode('\n{"alg":"x"}')}.${payload}.${twinOf(JWT, 2).split(".")[2]}`],
    ["unused bits of a JWE's tag", twinOf(JWE, 4)],
    ["unused bits of a JWE's iv", twinOf(JWE, 2)],
    // Some services split at the dots and drop what is empty at the end, or look at the first three parts alone.
    ["an empty part at the end", `${JWT}.`],
    ["two empty parts at the end", `${JWT}..`],
    ["many empty parts at the end", `${JWT}${".".repeat(20)}`],
    ["a fourth part", `${JWT}.AB`],
    ["a fifth part, though it is not encrypted", `${JWT}.AB.AB`],
    ["a sixth part", `${header}.AB.AB.AB.AB.AB`],
    ["a sixth part of a JWE, which is empty", `${JWE}.`],
  ])("%s", async (_what, token) => {
    const service = await startService({ users: { [token]: { id: "ana" } } });
    const client = openClient(service);
    const malformed = { code: "invalid_request" };
    await expect(client.verifyToken(token)).rejects.toMatchObject(malformed);
    await expect(client.verifyToken(token, { fresh: true })).rejects.toMatchObject(malformed);
    await expect(client.invalidateToken(token)).rejects.toMatchObject(malformed);
    const request = { headers: { authorization: `Bearer ${token}` } };
    await expect(authenticate(request, { client })).rejects.toMatchObject(malformed);
    expect(service.calls.total).toBe(0);
  });
});

test.each([
  ["a JWS", JWT],
  ["an unsecured JWT, whose signature is empty", `${header}.${payload}.`],
  ["a JWE with an empty key", JWE],
  ["PASETO", "v4.public.eyJzdWIiOiJhbmEifQ-_x"],
  [
    "PASETO with a footer",
    "v2.local.QAxIpVe-ECVNI1z4xQbm_qQYomyT3h8FtV8bxkz8pBJWkT8f7HtlOpbroPDEZUKop_vaglyp76CzYy375cHmKCW8e1CCkV0Lflu4GTDyXMqQdpZMM1E6OaoQW27gaRSvWBrR3IgbFIa0AkuUFw.UGFyYWdvbiBJbml0aWF0aXZlcw",
  ],
  ["itsdangerous", "eyJ1c2VyIjoiYW5hIn0.ZxY1AB.-IAbc_dEfGh"],
  ["itsdangerous with a + and padding", "eyJ1c2VyIjoiYW5hIn0.ZxY1AB.-IAbc+dEfGh="],
  ["a.b.c", "a.b.c"],
  ["a.~~~.c", "a.~~~.c"],
  ["base64url of a JSON object whose alg is no text", `${encode('{"alg":256}')}.${payload}.AB`],
  ["base64url of a JSON array", `${encode('["alg"]')}.${payload}.AB`],
  ["base64url of null", `${encode("null")}.${payload}.AB`],
  ["two parts", `${header}.AB`],
  ["four parts, the first of which is no JOSE header", `${encode('{"sub":1}')}.AB.AB.AB`],
  ["one that begins with a dot", ".a.b.c"],
  ["one that begins with a tilde", "~abc.def"],
])("%s is a token", async (_what, token) => {
  const service = await startService({ users: { [token]: { id: "ana" } } });
  expect((await openClient(service).verifyToken(token)).user.id).toBe("ana");
});

describe("The invalidation of a JWT, of whose signature the service takes several forms,", () => {
  const other = `${header}.${payload}.${Buffer.alloc(64, 9).toString("base64url")}`;
  const others = `${header}.${encode('{"sub":"ben"}')}.${signature}`;

  async function start() {
    const ana = { id: "ana" };
    const service = await startService({ users: { [JWT]: ana, [other]: ana, [others]: { id: "ben" }, [JWE]: ana } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    return { service, clock, store, open: () => openClient(service, { clock, cache: { store } }) };
  }
  const sources = async (client: AuthClient, tokens: readonly string[]) =>
    (await Promise.all(tokens.map((token) => client.verifyToken(token)))).map(({ source }: VerifiedToken) => source);

  test("forgets the others, and no other token", async () => {
    const { service, open } = await start();
    const client = open();
    const tokens = [JWT, other, others, JWE];
    for (const token of tokens) await client.verifyToken(token);
    await client.invalidateToken(JWT);
    expect(tokens.map((token) => client.peekToken(token)?.user.id)).toStrictEqual([undefined, undefined, "ben", "ana"]);
    service.refuse(JWT);
    service.refuse(other);
    await expect(client.verifyToken(other)).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("also where the one that is invalidated was never seen here", async () => {
    const { open } = await start();
    const client = open();
    await client.verifyToken(other);
    await client.invalidateToken(JWT);
    expect(client.peekToken(other)).toBeUndefined();
  });

  test("also where the shared cache has them", async () => {
    const { open } = await start();
    await sources(open(), [JWT, other, others]);
    await settle();
    const client = open();
    await client.invalidateToken(JWT);
    expect(await sources(client, [JWT, other, others])).toEqual(["grpc", "grpc", "shared"]);
  });

  test("also while they are being asked about: a caller that comes after it does not join", async () => {
    const { service, open } = await start();
    const client = open();
    service.grpc.hang();
    const early = client.verifyToken(other);
    await settle();
    await client.invalidateToken(JWT);
    const late = client.verifyToken(other);
    await settle();
    service.grpc.allow();
    expect((await late).source).not.toBe("process");
    await early;
    expect(service.grpc.calls.VerifyToken).toBe(2);
  });

  test("does not make void what is asked after it", async () => {
    const { open } = await start();
    const client = open();
    await client.invalidateToken(JWT);
    await client.verifyToken(other);
    expect(client.peekToken(other)?.user.id).toBe("ana");
  });

  test("of opaque tokens says nothing about others", async () => {
    const service = await startService({ users: { "a.b.c": { id: "ana" }, "a.b.d": { id: "ana" } } });
    const client = openClient(service);
    await sources(client, ["a.b.c", "a.b.d"]);
    await client.invalidateToken("a.b.c");
    expect(client.peekToken("a.b.d")?.user.id).toBe("ana");
  });
});

test("Of a JWT no log line, error or stored entry shows another form than a digest.", async () => {
  const token = unsignedJwt({ sub: "ana" });
  const service = await startService({ users: { [token]: { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  await client.verifyToken(token);
  await client.invalidateToken(token);
  const written = JSON.stringify([[...store.texts], store.log]);
  for (const part of token.split(".")) expect(written).not.toContain(part);
});
