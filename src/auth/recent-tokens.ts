import type { Clock, Timer } from "../runtime/clock.js";
import { ownCopyOf } from "../runtime/own-copy.js";
import { Token } from "./token.js";

export interface RecentTokensOptions {
  /** Of the headers that are held, and what each takes besides; 0 = none is held. */
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** A header stays for as long after its last hit, and for less than twice as long. */
const GENERATION_MS = 60_000;
/** What a header takes besides its characters: token, id, a place in a map. Rounded up from a measured heap. */
const ENTRY_BYTES = 288;
/** The scheme and a space; a header that is much longer than its token is not kept. */
const MAX_AROUND = 16;
/** Characters of a header that tell its slot: of base64, padding and unused bits aside, 30 bits of a signature. */
const SLOT_LENGTH = 8;
const SLOTS = 2 ** 30 - 1;

/**
 * The tokens of the headers that were let in lately, which spares a hit the hash of its token. It says which token a header holds, and that
 * alone: whether the token is let in, the process cache is asked each time, and no invalidation need be told here.
 *
 * A header is found by the whole of its text, in a slot that the end of the token tells. Only a client that knows the end of another's
 * token has its own text compared with that one: the time that it takes tells nothing else of it.
 *
 * Two generations: a hit moves a header into the younger one, and the older one is dropped when a timer ends the younger. What is in
 * the younger one stays, so that headers that fight for a slot, or for room, do not push each other out with each request.
 */
export class RecentTokens {
  readonly #maxBytes: number;
  readonly #clock: Clock;
  #young = new Map<number, Token>();
  #old = new Map<number, Token>();
  #youngBytes = 0;
  /** Of those that are not in the younger generation too. */
  #oldBytes = 0;
  #generation = 1;
  #timer: Timer | undefined;

  constructor({ maxBytes, clock }: RecentTokensOptions) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** Roughly what is held, in bytes. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** The token of a header that is exactly the same text as one that was let in. */
  find(header: string): Token | undefined {
    const slot = slotOf(header);
    const token = this.#young.get(slot) ?? this.#old.get(slot);
    return token !== undefined && token.header === header ? token : undefined;
  }

  /** Keeps a token that the process cache knows, where it came in a header. */
  keep(token: Token): void {
    const { header, text, generation } = token;
    if (header === undefined || generation === this.#generation) return;
    const slot = slotOf(header);
    const bytes = header.length + ENTRY_BYTES;
    if (this.#old.get(slot) === token) {
      this.#oldBytes -= bytes;
      this.#add(slot, token, bytes);
    } else if (header.length <= text.length + MAX_AROUND && !this.#young.has(slot) && this.#makeRoom(bytes)) {
      this.#add(slot, copyOf(header, text), bytes);
    }
  }

  clear(): void {
    this.#endGeneration();
    this.#dropOld();
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #makeRoom(bytes: number): boolean {
    if (this.#youngBytes + bytes > this.#maxBytes) return false;
    if (this.#youngBytes + bytes + this.#oldBytes > this.#maxBytes) this.#dropOld();
    return true;
  }

  #add(slot: number, token: Token, bytes: number): void {
    token.generation = this.#generation;
    this.#young.set(slot, token);
    this.#youngBytes += bytes;
    this.#timer ??= this.#startTimer();
  }

  #dropOld(): void {
    this.#old = new Map();
    this.#oldBytes = 0;
  }

  /** Runs while anything is held. */
  #startTimer(): Timer {
    const end = () => {
      this.#endGeneration();
      this.#timer = this.#old.size > 0 ? this.#startTimer() : undefined;
    };
    return this.#clock.setTimeout(end, GENERATION_MS, { background: true });
  }

  #endGeneration(): void {
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Map();
    this.#youngBytes = 0;
    this.#generation++;
  }
}

/** Hashed anew: nothing but its own text decides its id. */
function copyOf(header: string, text: string): Token {
  const copy = ownCopyOf(header);
  return new Token(copy.slice(-text.length), copy);
}

/** Two headers in one slot are nothing worse than slow: one of them is hashed each time. */
function slotOf(header: string): number {
  const { length } = header;
  if (length < SLOT_LENGTH) return 0;
  let slot = 0;
  for (let at = length - SLOT_LENGTH; at < length; at++) slot = (Math.imul(slot, 67) + header.charCodeAt(at)) | 0;
  return slot & SLOTS;
}
