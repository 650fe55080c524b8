import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";

/** What an entry of the shared cache is called. */
export interface EntryName {
  readonly kind: string;
  readonly id: string;
  /** The id is a digest already: it tells nothing, and is as long as any other. */
  readonly isDigest?: boolean | undefined;
  /** It can only make other entries void: one of version 0.1.0, which does not carry its key, is still believed. */
  readonly isTombstone?: boolean | undefined;
}

/** Where one entry lives in the store, and how its content is protected there. */
export interface Slot {
  readonly key: string;
  /** Makes the text fit to be stored. */
  seal(text: string): string;
  /** The text that was sealed for this very slot; `undefined` for anything else. */
  open(stored: string): string | undefined;
  /** Whether a text that does not open was written for another slot: a store that mixes up its replies has not said what lies in this one. */
  isMisplaced(stored: string): boolean;
}

/** Names the entries of the shared cache. */
export interface Keyring {
  /** The slots of an entry: the first is written, all are read. */
  slots(name: EntryName): readonly Slot[];
}

export interface KeyringOptions {
  /** The auth service that answers. Mixed into every key, so that two auth services never share an entry. */
  identity: string;
  /** With secrets, keys are HMACs and entries are sealed; the first one writes, all of them read. */
  secrets: readonly string[];
}

/** An encoding of several ids into one that no other ids share: `a:b` + `c` is not `a` + `b:c`. */
export function compoundId(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

export function createKeyring({ identity, secrets }: KeyringOptions): Keyring {
  const factories =
    secrets.length === 0 ? [plainSlots(identity)] : secrets.map((secret) => sealedSlots(identity, secret));
  const slotsOf = (name: EntryName) => factories.map((slotOf) => slotOf(name));
  const singletons = new Map<string, readonly Slot[]>();
  return {
    slots(name) {
      if (name.id !== "") return slotsOf(name);
      const slots = singletons.get(name.kind) ?? slotsOf(name); // the only entry of its kind, wanted again and again
      singletons.set(name.kind, slots);
      return slots;
    },
  };
}

/**
 * Entries whose digests begin with the same so many characters are sealed with the same key: 4096 keys. One is good for 2^32 entries with
 * random IVs (NIST SP 800-38D, 8.3), and making one for each entry would cost more than to open it.
 */
const SHARE_LENGTH = 2;

/** Makes the slot of an entry. */
type SlotFactory = (name: EntryName) => Slot;

function plainSlots(identity: string): SlotFactory {
  const identityDigest = hash("sha256", identity, "base64url");
  const nameOf = namesOf(identity);
  return (name) => {
    const digest = name.isDigest ? `${identityDigest}:${name.id}` : hash("sha256", nameOf(name), "base64url");
    return new PlainSlot(keyOf(name.kind, digest), name.isTombstone === true);
  };
}

/** The whole name of an entry, `compoundId(identity, kind, id)`, of which all entries of a kind have the beginning in common. */
function namesOf(identity: string): (name: EntryName) => string {
  const beginnings = new Map<string, string>();
  return ({ kind, id, isDigest }) => {
    const beginning = beginnings.get(kind) ?? compoundId(identity, kind).slice(0, -1);
    beginnings.set(kind, beginning);
    return isDigest ? `${beginning},"${id}"]` : `${beginning},${JSON.stringify(id)}]`;
  };
}

const UNKEYED_TOMBSTONE = /^\{"askedAt":[\d.]+,"expiresAt":[\d.]+,"value":true\}$/;

/** An entry begins with its own key, a property that version 0.1.0 does not look at: in a reply to another question it is a miss. */
class PlainSlot implements Slot {
  readonly key: string;
  readonly #isTombstone: boolean;

  constructor(key: string, isTombstone: boolean) {
    this.key = key;
    this.#isTombstone = isTombstone;
  }

  /** @param text JSON of an object that is not empty */
  seal(text: string): string {
    return `{"key":"${this.key}",${text.slice(1)}`;
  }

  open(stored: string): string | undefined {
    if (stored.startsWith(`{"key":"${this.key}",`)) return stored;
    return this.#isTombstone && UNKEYED_TOMBSTONE.test(stored) ? stored : undefined;
  }

  isMisplaced(stored: string): boolean {
    return stored.startsWith('{"key":') || stored.startsWith('{"askedAt":');
  }
}

function sealedSlots(identity: string, secret: string): SlotFactory {
  const naming = derive(secret, "name");
  const keys = new Map<string, KeyObject>();
  const keyFor = (share: string) => {
    const key = keys.get(share) ?? derive(secret, `seal ${share}`);
    keys.set(share, key);
    return key;
  };
  const nameOf = namesOf(identity);
  return (name) => {
    const digest = createHmac("sha256", naming).update(nameOf(name)).digest("base64url");
    return new SealedSlot(keyOf(name.kind, digest), keyFor(digest.slice(0, SHARE_LENGTH)));
  };
}

class SealedSlot implements Slot {
  readonly key: string;
  readonly #secret: KeyObject;

  constructor(key: string, secret: KeyObject) {
    this.key = key;
    this.#secret = secret;
  }

  seal(text: string): string {
    return seal(text, this.#secret, this.key);
  }

  open(stored: string): string | undefined {
    return open(stored, this.#secret, this.key);
  }

  isMisplaced(stored: string): boolean {
    return isSealed(stored);
  }
}

function keyOf(kind: string, digest: string): string {
  return `portero:1:${kind}:${digest}`;
}

function derive(secret: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", secret, "", `portero shared cache ${purpose} v1`, 32)));
}

const ALGORITHM = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Of a sealed text that is empty, in characters of base64url. */
const LEAST_SEALED_LENGTH = Math.ceil(((IV_BYTES + TAG_BYTES) * 4) / 3);

/** Encrypts and authenticates `text` (AES-256-GCM), bound to `context`: base64url of IV, tag and ciphertext. */
function seal(text: string, key: KeyObject, context: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
}

/** What was sealed with this key and context, or `undefined`: changed, moved, or never ours. */
function open(stored: string, key: KeyObject, context: string): string | undefined {
  const bytes = Buffer.from(stored, "base64url");
  const [iv, tag] = [bytes.subarray(0, IV_BYTES), bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
  try {
    const decipher = createDecipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }); // throws unless there is one
    decipher.setAAD(Buffer.from(context)).setAuthTag(tag); // throws unless it is whole
    const text = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES));
    decipher.final(); // throws unless it is right
    return text.toString("utf8");
  } catch {
    return undefined;
  }
}

/** Whether a text looks as if it was sealed, with whatever key. */
function isSealed(stored: string): boolean {
  return stored.length >= LEAST_SEALED_LENGTH && /^[\w-]+$/.test(stored);
}
