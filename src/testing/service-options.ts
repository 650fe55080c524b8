import { SettingReader } from "../auth/config/setting-reader.js";
import { type DirectoryOptions, readDirectory, readPeople } from "./directory-options.js";
import type { Place } from "./side.js";

export interface FakeAuthServiceOptions extends DirectoryOptions {
  /** The address of this machine that both sides listen at. Default `"127.0.0.1"`: only this machine reaches it. */
  host?: string;
  /** Default: a free port. */
  grpc?: { port?: number };
  /** Default: a free port. */
  rest?: { port?: number };
}

/** Where the sides are to listen. @throws ConfigError that names everything that is wrong, users and organizations too */
export function readServiceOptions(given: FakeAuthServiceOptions): { readonly grpc: Place; readonly rest: Place } {
  if (typeof given !== "object" || given === null) readDirectory(given);
  const read = new SettingReader({}, []);
  const options = read.section("", given, ["users", "organizations", "host", "grpc", "rest"]);
  readPeople(read, options);
  const isHost = (host: unknown) => typeof host === "string" && host !== "";
  const host = read.optional("host", options.host, isHost, "an address of this machine") ?? "127.0.0.1";
  const [grpc, rest] = (["grpc", "rest"] as const).map((side) => {
    const { port } = read.section(side, options[side], ["port"]);
    return { host, port: read.optional(`${side}.port`, port, isPort, "a port, 0 to 65535") ?? 0 };
  }) as [Place, Place];
  read.throwIfAny();
  return { grpc, rest };
}

function isPort(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535;
}
