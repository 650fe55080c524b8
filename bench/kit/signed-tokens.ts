import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from "jose";
import { claimsOf, KEY_ID } from "./tokens.js";

/** Tokens that anybody can verify: RS256, about 1.5 KB. */
export async function signTokens(
  count: number,
): Promise<{ tokens: string[]; publicKey: string; jwks: { keys: JWK[] } }> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const sign = (user: number) =>
    new SignJWT(claimsOf(user))
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: KEY_ID })
      .setIssuedAt()
      .setExpirationTime("2h")
      .sign(privateKey);
  return {
    tokens: await Promise.all(Array.from({ length: count }, (_, user) => sign(user))),
    publicKey: await exportSPKI(publicKey),
    jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: "RS256", use: "sig", kid: KEY_ID }] },
  };
}
