import { createHmac, createSecretKey, hash, hkdfSync, type KeyObject } from "node:crypto";
import { open, seal } from "./seal.js";

/** Where one entry lives in the shared tier, and how its content is protected there. */
export interface Slot {
  readonly key: string;
  /** Makes the text fit to be stored. */
  seal(text: string): string;
  /** The text that was sealed for this very slot; `undefined` for anything else. */
  open(stored: string): string | undefined;
}

/** Names the entries of the shared tier. */
export interface Keyring {
  /** The slots of an entry: the first is written, all are read. */
  slots(kind: string, id: string): readonly Slot[];
}

export interface KeyringOptions {
  /** Whose answers these are. Mixed into every key, so that two auth services never share an entry. */
  identity: string;
  /** With secrets, keys are HMACs and entries are sealed; the first one writes, all of them read. */
  secrets: readonly string[];
}

/** The token's key in the process: SHA-256 of the whole of it. Every JWT of one issuer starts alike. */
export function tokenId(token: string): string {
  return hash("sha256", token, "base64url");
}

/** An encoding of several ids into one that no other ids share: `a:b` + `c` is not `a` + `b:c`. */
export function compoundId(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

export function createKeyring({ identity, secrets }: KeyringOptions): Keyring {
  const cutters = secrets.length === 0 ? [cutPlain] : secrets.map(sealingCutter);
  const slotsOf = (kind: string, id: string) => {
    const name = compoundId(identity, kind, id);
    return cutters.map((cut) => cut(kind, name));
  };
  const alone = new Map<string, readonly Slot[]>();
  return {
    slots(kind, id) {
      if (id !== "") return slotsOf(kind, id);
      const slots = alone.get(kind) ?? slotsOf(kind, id); // the only entry of its kind, wanted again and again
      alone.set(kind, slots);
      return slots;
    },
  };
}

/**
 * Entries whose digests begin with the same so many characters are sealed with the same key: 4096 keys. One is good for 2^32 entries with
 * random IVs (NIST SP 800-38D, 8.3), and making one for each entry would cost more than to open it.
 */
const SHARE_LENGTH = 2;

/** Makes the slot of an entry from its kind and its whole name. */
type Cutter = (kind: string, name: string) => Slot;

function cutPlain(kind: string, name: string): Slot {
  return { key: keyOf(kind, hash("sha256", name, "base64url")), seal: (text) => text, open: (text) => text };
}

function sealingCutter(secret: string): Cutter {
  const naming = derive(secret, "name");
  const sealing = new Map<string, KeyObject>();
  const sealingKey = (share: string) => {
    const key = sealing.get(share) ?? derive(secret, `seal ${share}`);
    sealing.set(share, key);
    return key;
  };
  return (kind, name) => {
    const digest = createHmac("sha256", naming).update(name).digest("base64url");
    const key = keyOf(kind, digest);
    const entryKey = () => sealingKey(digest.slice(0, SHARE_LENGTH));
    return { key, seal: (text) => seal(text, entryKey(), key), open: (text) => open(text, entryKey(), key) };
  };
}

function keyOf(kind: string, digest: string): string {
  return `portero:1:${kind}:${digest}`;
}

function derive(secret: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", secret, "", `portero shared cache ${purpose} v1`, 32)));
}
