import type { TestUser } from "../testing/directory-options.js";
import type { FakeAuthService } from "../testing/fake-auth-service.js";
import type { Desk } from "./desk.js";
import type { Style } from "./style.js";

/** Where a reader's application probably listens. */
const APP = "http://127.0.0.1:3000/";

export interface Greeted {
  readonly service: Pick<FakeAuthService, "grpc" | "rest">;
  readonly desk: Desk;
  readonly host: string;
}

/** What is to be done with the auth service for the desk, in lines that can be copied. */
export function greeting({ service: { grpc, rest }, desk, host }: Greeted, { strong, faint, doubtful }: Style): string {
  const first = encodeURIComponent(desk.ids[0] ?? "ana").replaceAll("'", "%27");
  const asking = Object.entries(desk.users).map(
    ([token, user]) =>
      [`curl -H 'Authorization: Bearer ${token.replaceAll("'", "'\\''")}' ${APP}`, about(user)] as const,
  );
  const isLocal = /^(127\.|localhost$|::1$)/.test(host);
  return [
    strong("An auth service for your desk, not for production: its tokens can be guessed, and are not secret."),
    ...(isLocal ? [] : [doubtful(`It listens at ${host}: other machines of your network may reach it.`)]),
    "",
    faint("# in the shell of your app"),
    `export AUTH_GRPC_URL=${grpc.url}`,
    `export AUTH_REST_URL=${rest.url}`,
    "",
    faint("# and when it listens: one for each user"),
    ...told(asking, faint),
    "",
    faint("# what if?"),
    ...told(
      [
        [`curl -X POST ${rest.url}/fail/grpc`, "/recover ends it; also hang, and delay/rest?ms=500"],
        [`curl -X POST ${rest.url}/revoke/${first}`, `/allow/${first} ends it`],
        [`curl '${rest.url}/token/${first}?exp=60'`, "a JWT that is good for a minute"],
      ],
      faint,
    ),
    "",
    faint("Ctrl-C ends it."),
    "",
  ].join("\n");
}

/** Commands, each with a remark behind it. */
function told(lines: readonly (readonly [command: string, remark: string])[], faint: Style["faint"]): string[] {
  const width = Math.max(0, ...lines.map(([command]) => command.length));
  return lines.map(([command, remark]) => `${command.padEnd(width)}  ${faint(`# ${remark}`)}`);
}

function about({ id, isActive, permissions = [], locals = [] }: TestUser): string {
  const may = permissions.length > 0 ? `may ${permissions.join(", ")}` : "may nothing";
  const where = locals.length > 0 ? ` in ${locals.join(", ")}` : "";
  return `${id}${isActive === false ? ", not active," : ""} ${may}${where}`;
}
