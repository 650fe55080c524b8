import { format } from "node:util";
import { afterAll } from "@jest/globals";
import { silentLogger } from "../../src/runtime/logger.js";
import { Directory } from "../../src/testing/directory.js";
import { RecordingLogger } from "./recording-logger.js";

// Beside every file of tests: whatever this process writes and logs meanwhile, no token that its fake auth services know or are asked
// about may stand in it. What other processes write is for the tests that start them: the demo is there to show tokens.

/** A shorter token is a word, and stands somewhere by chance. */
const MIN_LENGTH = 8;
/** So much of a longer one, its head or its tail, gives it away. */
const PIECE_LENGTH = 16;

const tokens = new Set<string>();
const said: string[] = [];
const restore: (() => void)[] = [];

afterAll(() => {
  for (const end of restore.splice(0)) end();
  const found = takeOverheardTokens();
  if (found.length > 0) throw new Error(`Tokens of these tests were written or logged:\n${found.join("\n")}`);
});

/** The lines so far that hold a token, without it. They are forgotten. */
export function takeOverheardTokens(): string[] {
  const lines = said.splice(0).join("\n").split("\n");
  const text = lines.join("\n");
  const pieces = [...tokens].flatMap(piecesOf).filter((piece) => text.includes(piece));
  return lines
    .filter((line) => pieces.some((piece) => line.includes(piece)))
    .map((line) => pieces.reduce((rest, piece) => rest.replaceAll(piece, `${piece.slice(0, 4)}…`), line));
}

function piecesOf(token: string): string[] {
  if (token.length < MIN_LENGTH) return [];
  return token.length <= PIECE_LENGTH ? [token] : [token.slice(0, PIECE_LENGTH), token.slice(-PIECE_LENGTH)];
}

/** Lets a method go on as before, and hears what it is given. */
function overhear<K extends string>(
  owner: Record<K, (...given: never[]) => unknown>,
  method: K,
  heard: (...given: unknown[]) => void = hear,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, method);
  const original = owner[method];
  owner[method] = function (this: unknown, ...given: never[]) {
    heard(...given);
    return original.apply(this, given);
  };
  restore.push(() => {
    if (descriptor) Object.defineProperty(owner, method, descriptor);
    else delete (owner as Partial<typeof owner>)[method];
  });
}

function hear(...given: unknown[]): void {
  said.push(format(...given.map((each) => (each instanceof Uint8Array ? Buffer.from(each).toString() : each))));
}

function learn(token: unknown): void {
  tokens.add(String(token));
}

overhear(process.stdout, "write");
overhear(process.stderr, "write");
for (const level of ["log", "info", "warn", "error", "debug", "trace"] as const) overhear(console, level);
for (const level of ["info", "warn", "error"] as const) {
  overhear(silentLogger, level); // it writes nothing: seen here alone
  overhear(RecordingLogger.prototype, level);
}
overhear(Directory.prototype, "setUser", learn);
overhear(Directory.prototype, "byToken", learn);
