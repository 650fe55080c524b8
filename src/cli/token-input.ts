import { once } from "node:events";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { raceAbort } from "../runtime/abort.js";
import { type Io, UsageError } from "./io.js";
import { WaitingLine } from "./waiting-line.js";

/** More than any token has, in characters. */
const MAX_LENGTH = 1_048_576;

/** The token that comes by standard input. On a terminal it is asked for, and not shown. @throws UsageError where nothing comes */
export async function readToken(io: Io): Promise<string> {
  const { stdin, stderr, signal } = io;
  const waiting = new WaitingLine(io);
  if (!stdin.isTTY) waiting.show(["the token on standard input"]);
  const token = await raceAbort(stdin.isTTY ? typed(io) : piped(stdin), signal).finally(() => waiting.end());
  if (stdin.isTTY) stderr.write("\n");
  if (token !== "") return token;
  throw new UsageError("no token came by standard input", 'printf %s "$TOKEN" | npx portero doctor --token-stdin');
}

async function piped(stdin: Io["stdin"]): Promise<string> {
  let text = "";
  try {
    for await (const chunk of stdin) {
      text += String(chunk);
      if (text.length > MAX_LENGTH) throw new UsageError("what comes by standard input is longer than any token");
      if (/\S\s*\n/.test(text)) break; // a token has no line end, and a pipe may stay open
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError("standard input cannot be read");
  }
  return text.trim();
}

async function typed({ stdin, stderr }: Io): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: true }); // from now on the terminal shows nothing that is typed
  stderr.write("the token (it is not shown): ");
  try {
    // Ctrl-C comes as a key, and Ctrl-D as an end.
    lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
    const [line = ""] = (await Promise.race([once(lines, "line"), once(lines, "close")])) as [string?];
    return line.trim();
  } finally {
    lines.close();
  }
}
