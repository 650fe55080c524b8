import type { Subject } from "./spec.js";

/** An id of a token, a SHA-256, and when it was contradicted. */
export interface TokenFact {
  /** `refusal`: the service refused it, which says nothing of other spellings. */
  readonly kind: "token" | "refusal";
  readonly id: string;
  /** What all spellings of it have in common, of a JWT that was invalidated. */
  readonly meaning: string | undefined;
  /** Wall time in milliseconds. */
  readonly at: number;
}

/** A user or an organization was invalidated. */
export interface SubjectFact {
  readonly kind: Subject;
  readonly subject: string;
  /** As the tombstone in the store says it. */
  readonly at: number;
}

/** What one process tells the others of. */
export type Fact = TokenFact | SubjectFact;

export type FactKind = Fact["kind"];

/** A fact, and the process that told it. */
export interface ToldFact {
  readonly by: string;
  readonly fact: Fact;
}

const VERSION = 1;
/** SHA-256 in base64url. */
const DIGEST = /^[\w-]{43}$/;

/** Facts with one key are about the same: the newest of them says all. */
export function factKey(fact: Fact): string {
  return "subject" in fact ? `${fact.kind} ${fact.subject}` : `token ${fact.id}`;
}

/** JSON of an object. */
export function encodeFact(fact: Fact, by: string): string {
  return JSON.stringify({ v: VERSION, ...fact, by });
}

/** `undefined` for garbage; `unknown` for what another version of this package tells. */
export function decodeFact(text: string): ToldFact | "unknown" | undefined {
  let told: Readonly<Record<string, unknown>> | null;
  try {
    told = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (told === null) return undefined; // all else can be asked for properties
  const { v, kind, id, subject, meaning, at, by } = told;
  if (typeof v === "number" && v !== VERSION) return "unknown";
  if (v !== VERSION || typeof kind !== "string" || typeof by !== "string") return undefined;
  if (!isTime(at)) return undefined;
  switch (kind) {
    case "token":
    case "refusal":
      if (!isDigest(id) || !(meaning === undefined || isDigest(meaning))) return undefined;
      return { by, fact: { kind, id, meaning, at } };
    case "user":
    case "organization":
      return typeof subject === "string" ? { by, fact: { kind, subject, at } } : undefined;
    default:
      return "unknown";
  }
}

/** JSON can spell numbers that are infinite: at such a time all would be void that is asked later. */
function isTime(value: unknown): value is number {
  return Number.isFinite(value);
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}
