import { ROUTES_HELP } from "./desk-routes.js";

/** Of `portero --help`. */
export const HELP = `portero – an auth service for your desk, and a doctor for the real one

  npx portero dev       starts an auth service with users that you name: no other one is needed to begin with
  npx portero doctor    looks at your settings, the auth service and Redis: what is wrong, and what to write instead
  npx portero --version

  npx portero <command> --help tells the options of a command

Settings come from the environment: AUTH_GRPC_URL=http://auth:50051, AUTH_REST_URL=http://auth:8001, REDIS_URL=…`;

const DOCTOR = `npx portero doctor – looks at your settings, the auth service and Redis, and says what to write instead

  --env FILE        reads variables of a file, as node --env-file does; the environment wins. May be repeated
  --token-stdin     takes a user's token from standard input, asks gRPC and REST all four operations about that user, and
                    says where they differ:  printf %s "$TOKEN" | npx portero doctor --token-stdin
  --wait TIME       tries until all is well, and begins no attempt after 30s or 2m: for a container that starts early
  --json            writes the result as JSON

  ✓ well   ! works, and should not stay so   ✗ wrong   – not looked at, which is no fault
  Exit code: 0 well, 1 something is wrong, 2 the settings cannot be used, 130 interrupted, 141 its output was not read

It asks the auth service about a token that is none ("portero-ready"), and writes keys of its own into Redis, which it deletes.
What your code sets (headers, rest.paths, tls …) it does not know: call client.diagnose() there.
Takes under two seconds when all is well, and never longer than the timeouts when nothing answers.`;

const DEV = `npx portero dev – an auth service over gRPC and REST, with users that you name. Not for production

  --users FILE      users by their tokens, as JSON: {"users": {"token-ana": {"id": "ana", "permissions": ["a"]}}}.
                    Without it: ana, who may write, and ben, who may not. With
                    "$schema": "./node_modules/portero/schemas/users.schema.json" in it, editors complete it
  --watch           reads the file again when it changes; a mistake is named with its line, and changes nothing
  --grpc PORT       50051 by default; 0 is any that is free
  --rest PORT       8001 by default
  --host ADDRESS    127.0.0.1 by default, which only this machine reaches; 0.0.0.0 in a container

While it runs, at the port of REST:

${ROUTES_HELP.trimEnd().replaceAll(/^/gm, "  ")}

Exit code: 0 when it is ended, 2 when it could not start.`;

const OF_COMMANDS: Readonly<Record<string, string>> = { dev: DEV, doctor: DOCTOR };

export function helpFor(command: string): string | undefined {
  return Object.hasOwn(OF_COMMANDS, command) ? OF_COMMANDS[command] : undefined;
}
