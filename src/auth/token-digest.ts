import { createHmac, randomBytes } from "node:crypto";

/** Characters of base64url: 96 bits. */
const LENGTH = 16;
/** Of clients without a secret: another one in each process. */
const OWN_KEY = randomBytes(32);

/** Tells tokens apart in logs, and cannot be turned back into one. */
export type TokenDigest = (token: string) => string;

/** @param secret all processes that have it make the same of a token */
export function createTokenDigest(secret: string | undefined): TokenDigest {
  let key: Buffer | undefined;
  return (token) => {
    key ??= secret === undefined ? OWN_KEY : createHmac("sha256", secret).update("portero:token-digest").digest();
    return createHmac("sha256", key).update(token).digest("base64url").slice(0, LENGTH);
  };
}
