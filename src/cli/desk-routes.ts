import { isIP } from "node:net";
import { nearest } from "../auth/config/nearest.js";
import type { FakeAuthService } from "../testing/fake-auth-service.js";
import type { Answer, OtherRoutes } from "../testing/rest-side.js";
import type { Side } from "../testing/side.js";
import { type Desk, MAX_LIFE_S } from "./desk.js";

/** The longest delay, in milliseconds. */
const MAX_DELAY_MS = 600_000;

export const ROUTES_HELP = `GET  /token/ID            the token of a user; with ?exp=60 a JWT that is good for 60 seconds
POST /fail/SIDE           grpc or rest answers with an error (UNAVAILABLE, HTTP 503)
POST /hang/SIDE           it takes every question and answers none
POST /delay/SIDE?ms=500   it answers so much later
POST /recover             both answer as usual again; /recover/SIDE one of them
POST /revoke/ID           all tokens of the user are bad; POST /allow/ID ends that
`;

/** The actions on a user. */
const OF_USERS = ["token", "revoke", "allow"];
/** The parameter of an action; others have none. */
const PARAMETERS: Readonly<Record<string, string>> = { token: "exp", delay: "ms" };

/** What can be told to the auth service for the desk, beside the contract. */
export function deskRoutes(desk: Desk, service: () => Pick<FakeAuthService, "grpc" | "rest">): OtherRoutes {
  const actions: Readonly<Record<string, (side: Side, url: URL) => string>> = {
    fail(side) {
      side.fail();
      return "fails";
    },
    hang(side) {
      side.hang();
      return "hangs";
    },
    recover(side) {
      side.allow();
      return "answers as usual";
    },
    delay(side, url) {
      const ms = numberIn(url, "ms", 0, MAX_DELAY_MS);
      side.delay(ms);
      return `answers ${ms} ms later`;
    },
  };

  return (request, url) => {
    // No page that a browser shows may tell it anything, or take a token.
    if (request.headers.origin !== undefined || isOfDomain(request.headers.host)) {
      return text(403, "not from a browser's page, nor under the name of a domain");
    }
    const [, action = "", of, ...more] = url.pathname.split("/");
    if (more.length > 0) return undefined;
    if (action === "") return text(200, ROUTES_HELP.trimEnd());
    const known = Object.hasOwn(actions, action) || OF_USERS.includes(action);
    if (!known) return unknown(action);
    const method = action === "token" ? "GET" : "POST";
    if (request.method !== method) return text(405, `curl -X ${method} '${url.href}'`);
    const foreign = foreignParameter(action, url);
    if (foreign !== undefined) return text(400, foreign);
    try {
      return action in actions ? onSides(action, of, url) : onUser(action, decodeURIComponent(of ?? ""), url);
    } catch (error) {
      if (error instanceof RangeError) return text(400, error.message);
      return text(400, "not a path that can be read");
    }
  };

  /** A slip of one that is known is named; all else is none of ours. */
  function unknown(action: string): Answer | undefined {
    const meant = nearest(action, [...Object.keys(actions), ...OF_USERS]);
    return meant === undefined ? undefined : text(404, `there is no such action; did you mean /${meant}?`);
  }

  function onSides(action: string, of: string | undefined, url: URL): Answer {
    const { grpc, rest } = service();
    const sides = { grpc, rest };
    const names = of === undefined && action === "recover" ? (["grpc", "rest"] as const) : [of];
    if (!names.every((name) => name === "grpc" || name === "rest"))
      return text(404, `${action} what? /${action}/grpc or /${action}/rest`);
    return text(200, names.map((name) => `${name} ${actions[action]?.(sides[name], url)} from now on`).join("\n"));
  }

  function onUser(action: string, id: string, url: URL): Answer {
    const unknown = () => text(404, `there is no user of that id; there are ${desk.ids.join(", ") || "none"}`);
    if (action === "token") {
      const life = url.searchParams.has("exp") ? numberIn(url, "exp", -MAX_LIFE_S, MAX_LIFE_S) : undefined;
      const token = desk.tokenOf(id, life);
      return token === undefined ? unknown() : text(200, token);
    }
    const isKnown = action === "revoke" ? desk.revoke(id) : desk.allow(id);
    if (!isKnown) return unknown();
    return text(200, `the tokens of ${id} are ${action === "revoke" ? "bad" : "good"} from now on`);
  }
}

function text(status: number, says: string): Answer {
  return { status, text: `${says}\n` };
}

/** What is wrong with the parameters of a request, in words. */
function foreignParameter(action: string, { searchParams }: URL): string | undefined {
  const own = PARAMETERS[action];
  const foreign = [...searchParams.keys()].find((name) => name !== own);
  if (foreign === undefined) return undefined;
  const named = /^[\w-]{1,40}$/.test(foreign) ? `there is no ?${foreign}=` : "there is no such parameter";
  return `${named}; ${own === undefined ? `/${action} takes none` : `did you mean ?${own}=`}`;
}

function numberIn(url: URL, name: string, min: number, max: number): number {
  const given = url.searchParams.get(name) ?? "";
  const value = /^-?\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new RangeError(`?${name}= takes a whole number from ${min} to ${max}`);
}

/** Whether a page of that domain may have had its name lead here: it could read what it asks for, and send no `Origin`. */
function isOfDomain(host = ""): boolean {
  const { hostname } = new URL(URL.canParse(`http://${host}`) ? `http://${host}` : "http://unreadable.invalid");
  return hostname.includes(".") && isIP(hostname) === 0;
}
