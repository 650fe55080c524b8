import { createHash } from "node:crypto";

export const ISSUER = "https://issuer.example/";
export const AUDIENCE = "shop";
export const KEY_ID = "2026-01";

/** What the bench's users may do: 30 permissions and 20 locals. */
export const PERMISSIONS = Array.from({ length: 30 }, (_, index) => `resource${index % 10}:action${index}`);

/** Every user has other locals; many share some. */
export function localsOf(user: number, count = 20): string[] {
  return Array.from({ length: count }, (_, index) => `local-${(user * 7 + index) % Math.max(count * 2, 1000)}`);
}

export function claimsOf(user: number) {
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: `user-${user}`,
    org: "org-1",
    email: `user-${user}@shop.example`,
    permissions: PERMISSIONS,
    locals: localsOf(user),
  };
}

const HEADER = encode({ alg: "RS256", typ: "JWT", kid: KEY_ID });
/** A signature's length. The auth service of the benches does not look at it. */
const SIGNATURE_BYTES = 256;

/** Tokens of the same shape and size, without the millisecond that a signature costs. */
export function distinctToken(user: number): string {
  const payload = encode({ ...claimsOf(user), iat: 1_790_000_000, exp: 4_000_000_000 });
  const digest = createHash("sha512").update(payload).digest();
  return `${HEADER}.${payload}.${Buffer.alloc(SIGNATURE_BYTES, digest).toString("base64url")}`;
}

/** A token in its shape alone: the service refuses it. */
export function garbageToken(index: number): string {
  return `${HEADER}.${encode({ garbage: index })}.${"garbage".repeat(20)}`;
}

/** The user of a token of the benches; `undefined` for garbage. */
export function subjectOf(token: string): ReturnType<typeof claimsOf> | undefined {
  const { sub, ...claims } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString() || "{}");
  return sub === undefined ? undefined : { sub, ...claims };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
