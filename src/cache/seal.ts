import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts and authenticates `text` (AES-256-GCM), bound to `context`: base64url of IV, tag and ciphertext. */
export function seal(text: string, key: KeyObject, context: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
}

/** What was sealed with this key and context, or `undefined`: changed, moved, or never ours. */
export function open(stored: string, key: KeyObject, context: string): string | undefined {
  const bytes = Buffer.from(stored, "base64url");
  if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES));
    decipher.final(); // throws unless the tag is right
    return text.toString("utf8");
  } catch {
    return undefined;
  }
}

/** Whether a text looks as if it was sealed, with whatever key. */
export function isSealed(stored: string): boolean {
  return stored.length >= ((IV_BYTES + TAG_BYTES) * 4) / 3 && /^[\w-]+$/.test(stored);
}
