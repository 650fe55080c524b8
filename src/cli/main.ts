import { nearest } from "../auth/config/nearest.js";
import { dev } from "./dev.js";
import { doctor } from "./doctor.js";
import { HELP, helpFor } from "./help.js";
import { EXIT, type Io, UsageError } from "./io.js";
import { styleFor } from "./style.js";

const COMMANDS: Readonly<Record<string, (args: readonly string[], io: Io) => Promise<number>>> = { dev, doctor };

/** Runs `portero` with these arguments, without the name of the program. Resolves with the exit code; never rejects. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === undefined || name === "help" || name === "--help" || name === "-h") return help(rest[0], name, io);
    if (name === "--version" || name === "-v") return say(io.version, io);
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) throw unknownCommand(name);
    if (rest.includes("--help") || rest.includes("-h")) return help(name, "help", io);
    return await command(rest, io);
  } catch (error) {
    if (io.signal.aborted) return EXIT.interrupted;
    const { bad, strong } = styleFor(io, io.stderr);
    if (error instanceof UsageError) {
      io.stderr.write(`${bad("✗")} ${error.message}\n`);
      if (error.fix !== undefined) io.stderr.write(`  ${strong("→")} ${error.fix}\n`);
      return EXIT.settings;
    }
    const { name: what } = error as Error;
    io.stderr.write(`${bad("✗")} an unexpected ${/^\w{1,40}$/.test(what) ? what : "error"} in portero itself\n`);
    return EXIT.wrong;
  }
}

/** What was given is not repeated: it may be a token. */
function unknownCommand(name: string): UsageError {
  const meant = nearest(name, Object.keys(COMMANDS));
  return new UsageError(
    `there is no such command${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    meant === undefined ? "npx portero --help" : `npx portero ${meant}`,
  );
}

/** The exit code says that there was nothing to do where no command was named. */
function help(command: string | undefined, asked: string | undefined, io: Io): number {
  say(command === undefined ? HELP : (helpFor(command) ?? HELP), io);
  return asked === undefined ? EXIT.settings : EXIT.well;
}

function say(text: string, { stdout }: Io): number {
  stdout.write(`${text}\n`);
  return EXIT.well;
}
