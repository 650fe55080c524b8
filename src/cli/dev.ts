import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { sleep } from "../runtime/abort.js";
import { Directory } from "../testing/directory.js";
import { type FakeAuthService, startWith } from "../testing/fake-auth-service.js";
import { readArguments, readPort } from "./arguments.js";
import { Desk } from "./desk.js";
import { deskRoutes } from "./desk-routes.js";
import { greeting } from "./dev-greeting.js";
import { EXIT, type Io, UsageError } from "./io.js";
import { styleFor } from "./style.js";
import { DESK_USERS, readUsersFile } from "./users-file.js";

const [GRPC_PORT, REST_PORT] = [50_051, 8001];
/** The file of users is looked at so often, in milliseconds: what watches files for Node does not see through every mount of a container. */
const LOOK_EVERY_MS = 300;

/** `portero dev`: the fake auth service of `portero/testing` as a process, until it is ended. */
export async function dev(args: readonly string[], io: Io): Promise<number> {
  const given = readArguments("dev", args, {
    users: "string",
    grpc: "string",
    rest: "string",
    host: "string",
    watch: "boolean",
  });
  const { users: file, watch, host = "127.0.0.1" } = given;
  if (watch && file === undefined) throw new UsageError("--watch needs a file: --users users.json");
  const ports = { grpc: readPort("--grpc", given.grpc, GRPC_PORT), rest: readPort("--rest", given.rest, REST_PORT) };
  const version = file === undefined ? "" : await versionOf(file, io);
  const desk = new Desk(new Directory({}), io.clock);
  desk.replace(file === undefined ? DESK_USERS : await readUsersFile(file, io.cwd));
  const service = await start(desk, host, ports);
  try {
    io.stdout.write(greeting({ service, desk, host }, styleFor(io, io.stdout)));
    if (watch && file !== undefined) await reloadOnChange(desk, file, version, io);
    else await ended(io.signal);
  } finally {
    await service.close();
  }
  return EXIT.well;
}

async function start(
  desk: Desk,
  host: string,
  ports: { readonly grpc: number; readonly rest: number },
): Promise<FakeAuthService> {
  const places = { grpc: { host, port: ports.grpc }, rest: { host, port: ports.rest } };
  try {
    const service: FakeAuthService = await startWith(
      desk.directory,
      places,
      deskRoutes(desk, () => service),
    );
    return service;
  } catch (error) {
    const { code = "", port } = error as NodeJS.ErrnoException & { port?: number };
    const option = port === ports.grpc ? "--grpc" : "--rest";
    if (code === "EADDRINUSE")
      throw new UsageError(`port ${port} is taken`, `${option} with another one, or 0 for any`);
    if (code === "EACCES") throw new UsageError(`port ${port} may not be used`, `${option} with one above 1023`);
    if (/^(EADDRNOTAVAIL|ENOTFOUND|EAI_)/.test(code)) {
      throw new UsageError("--host is no address of this machine", "--host 127.0.0.1, or 0.0.0.0 in a container");
    }
    throw error;
  }
}

/** A file with mistakes changes nothing: they are told, and the users stay as they were. */
async function reloadOnChange(desk: Desk, file: string, version: string, io: Io): Promise<void> {
  const { good, bad } = styleFor(io, io.stderr);
  for (let seen = version; !io.signal.aborted; ) {
    await sleep(io.clock, LOOK_EVERY_MS, io.signal).catch(() => undefined);
    const current = await versionOf(file, io);
    if (current === seen || io.signal.aborted) continue;
    seen = current;
    try {
      desk.replace(await readUsersFile(file, io.cwd));
      io.stderr.write(`${good("✓")} ${file}: ${desk.ids.join(", ") || "no users"}\n`);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      io.stderr.write(`${bad("✗")} ${error.message}\n  → the users are as they were\n`);
    }
  }
}

/** Changes with the file. */
async function versionOf(file: string, { cwd }: Pick<Io, "cwd">): Promise<string> {
  const found = await stat(resolve(cwd, file)).catch(() => undefined);
  return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : "";
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
