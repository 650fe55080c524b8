import { randomUUID } from "node:crypto";
import { errors, generateKeyPair, jwtVerify, SignJWT } from "jose";

/** Signs and verifies the tokens of the development auth service. */
export interface Tokens {
  /** A JWT of the user. A negative time to live makes one that has expired. */
  sign(userId: string, ttlSeconds?: number): Promise<string>;
  /** The user of the token; `undefined` when its signature is wrong or `exp` has passed. */
  verify(token: string): Promise<string | undefined>;
}

const ALGORITHM = "RS256";
const HOUR_SECONDS = 3600;

/** The key pair is made here and lives as long as the process: tokens of an earlier run are worthless. */
export async function createTokens(): Promise<Tokens> {
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM);
  return {
    sign(userId, ttlSeconds = HOUR_SECONDS) {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT()
        .setProtectedHeader({ alg: ALGORITHM })
        .setSubject(userId)
        .setJti(randomUUID().slice(0, 8)) // two tokens of one second differ
        .setExpirationTime(now + ttlSeconds)
        .sign(privateKey);
    },
    async verify(token) {
      try {
        const rules = { algorithms: [ALGORITHM], requiredClaims: ["sub", "exp"] };
        const { payload } = await jwtVerify(token, publicKey, rules);
        return payload.sub;
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
