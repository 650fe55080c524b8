import type { Message } from "@bufbuild/protobuf";
import type { AnswerBody, RefusalReason, TryResult } from "./records.js";

/** What an upstream does with one call, and what that means by the words of the contract. */
export interface Reply {
  /** What the leaf of the pipeline brings: a message, or something thrown. */
  readonly ending: () => Message;
  readonly meaning:
    | { readonly kind: "answer"; readonly body: AnswerBody }
    | { readonly kind: "refused"; readonly reason: RefusalReason }
    | Extract<TryResult, { kind: "unreachable" | "busy" | "broken" }>;
}

/** The ways in which an upstream fails. `truth` is none. */
export type Fault = "unreachable" | "broken" | "malformed" | "busy" | "timeout" | "credential";
export type Course = "truth" | Fault;

export function thrown(error: unknown): () => never {
  return () => {
    throw error;
  };
}

export const broken = { kind: "broken", healthy: false } as const;
export const busy = { kind: "busy" } as const;
/** The upstream, or what stands in front of it, says so itself. */
export const unreachable = { kind: "unreachable", timedOut: false, network: false } as const;
export const cut = { kind: "unreachable", timedOut: false, network: true } as const;
export const timedOut = { kind: "unreachable", timedOut: true, network: false } as const;
