import { createHash } from "node:crypto";
import { isMalformed } from "./outcome.js";

/** So many tokens that are refused before any was answered are not all of strangers' making. */
const FIRST_TOKENS = 5;

/** Every one of the first tokens was refused. */
export interface RefusedTokens {
  readonly tokens: number;
  /** The gRPC codes or HTTP statuses. */
  readonly codes: readonly string[];
  /** Each of them as malformed: the upstream may not take what is sent. */
  readonly areMalformed: boolean;
}

/** Sees that an upstream refuses the first tokens, all of them, once: the same token again tells nothing more. */
export class FirstRefusals {
  readonly #isShared: boolean;
  /** By the digest of the token; `undefined`: it is no question any more. */
  #codes: Map<string, string> | undefined = new Map();

  /** @param isShared good tokens may never come here, but from a shared cache: then only malformed ones tell anything */
  constructor(isShared: boolean) {
    this.#isShared = isShared;
  }

  answered(): void {
    this.#codes = undefined;
  }

  /** Of all of them, with the last of them. */
  refused(token: string, code: string): RefusedTokens | undefined {
    if (!this.#codes) return undefined;
    if (this.#isShared && !isMalformed(code)) {
      this.#codes = undefined;
      return undefined;
    }
    this.#codes.set(createHash("sha256").update(token).digest("base64"), code);
    if (this.#codes.size < FIRST_TOKENS) return undefined;
    const codes = [...new Set(this.#codes.values())];
    this.#codes = undefined;
    return { tokens: FIRST_TOKENS, codes, areMalformed: codes.every(isMalformed) };
  }
}
