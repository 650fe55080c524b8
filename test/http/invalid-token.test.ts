import { afterEach, describe, expect, test } from "@jest/globals";
import { bearerToken, cookieToken } from "../../src/client.js";
import { ConfigError } from "../../src/index.js";
import { stubAuthClient } from "../../src/testing.js";
import { type Face, type FaceOptions, faces } from "../support/faces.js";
import { closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

const session = cookieToken("session");
const ofBoth: NonNullable<FaceOptions["token"]> = (req) => bearerToken(req) ?? session(req);
const ANONYMOUS = "200 missing_token";

async function open(face: Face, options: FaceOptions & { invalidToken?: "reject" | "anonymous" } = {}) {
  const { service, client } = await startAuth();
  const send = await listenRaw(face.serve("/", face.optionalAuth({ client, invalidToken: "anonymous", ...options })));
  const ask = async (line: string, ...headers: string[]) => {
    const { status, body } = await send({ line: `${line} / HTTP/1.1`, headers });
    const { code, auth } = JSON.parse(body);
    return `${status} ${code ?? auth.user?.id ?? auth}`;
  };
  return { service, client, ask };
}

describe.each(faces)('in $name optionalAuth({ invalidToken: "anonymous" })', (face) => {
  test.each<[string, string, string]>([
    ["a good token", "Bearer token-ana", "200 ana"],
    ["no token", "Basic abc", ANONYMOUS],
    ["a token that is refused", "Bearer no-such", ANONYMOUS],
    ["the token of an inactive user", "Bearer token-gone", ANONYMOUS],
    ["a malformed Authorization header", "Bearer two words", "400 invalid_request"],
    ["an Authorization header without a token", "Bearer", "400 invalid_request"],
  ])("with %s", async (_what, authorization, expected) => {
    const { ask } = await open(face);

    expect(await ask("GET", `Authorization: ${authorization}`)).toBe(expected);
  });

  test.each<[string, string, readonly string[], string]>([
    ["a good cookie", "GET", ["Cookie: session=token-ana"], "200 ana"],
    ["an old cookie", "GET", ["Cookie: session=no-such"], ANONYMOUS],
    ["the cookie of an inactive user", "GET", ["Cookie: session=token-gone"], ANONYMOUS],
    ["a malformed cookie", "GET", ["Cookie: session=two words"], ANONYMOUS],
    ["a cookie that cannot be decoded", "GET", ["Cookie: session=%"], ANONYMOUS],
    ["two cookies", "GET", ["Cookie: session=a; session=b"], ANONYMOUS],
    ["a malformed Authorization header", "GET", ["Authorization: Bearer two words"], ANONYMOUS],
    ["a cookie from another site", "POST", ["Cookie: session=no-such", "Sec-Fetch-Site: cross-site"], "403 cross_site"],
    ["two from another site", "POST", ["Cookie: session=a; session=b", "Sec-Fetch-Site: cross-site"], "403 cross_site"],
    [
      "a repeated Authorization header",
      "GET",
      ["Authorization: Bearer token-ana", "Authorization: Bearer token-bea"],
      "400 invalid_request",
    ],
    [
      "a malformed cookie beside a repeated header",
      "GET",
      ["Cookie: session=%", "Authorization: Basic a", "Authorization: Basic b"],
      "400 invalid_request",
    ],
  ])("and a token source, with %s", async (_what, method, headers, expected) => {
    const { ask } = await open(face, { token: ofBoth });

    expect(await ask(method, ...headers)).toBe(expected);
  });

  test("and a repeated Authorization header", async () => {
    const { ask } = await open(face);

    expect(await ask("GET", "Authorization: Bearer token-ana", "Authorization: Bearer token-ana")).toBe(
      "400 invalid_request",
    );
  });

  test("does not take an outage for anonymous", async () => {
    const { service, ask } = await open(face);
    await Promise.all([service.grpc.stop(), service.rest.stop()]);

    expect(await ask("GET", "Authorization: Bearer token-ana")).toBe("503 auth_unavailable");
  });

  test("takes what a client can make of a parameter for anonymous, a fault of the source for a fault", async () => {
    expect(await (await open(face, { token: (() => ["a", "b"]) as never })).ask("GET")).toBe(ANONYMOUS);
    const failing = () => {
      throw new Error("no store");
    };
    const { client } = await startAuth();
    const send = await listenRaw(
      face.serve("/", face.optionalAuth({ client, invalidToken: "anonymous", token: failing })),
    );
    expect((await send({})).status).toBe(500);
  });

  test("behind requireAuth takes its user away", async () => {
    const { client } = await startAuth();
    const token: FaceOptions["token"] = () => "no-such";
    const optional = face.optionalAuth({ client, invalidToken: "anonymous", token });
    const send = await listenRaw(face.serve("/", face.requireAuth({ client }), optional));

    const { body } = await send({ headers: ["Authorization: Bearer token-ana"] });

    expect(JSON.parse(body)).toEqual({ auth: "missing_token" });
  });

  test("rejects when it is told to, and by default", async () => {
    for (const options of [{ invalidToken: "reject" as const }, { invalidToken: undefined as never }]) {
      const { ask } = await open(face, options);
      expect(await ask("GET", "Authorization: Bearer no-such")).toBe("401 invalid_token");
      expect(await ask("GET", "Authorization: Bearer token-gone")).toBe("401 inactive_user");
    }
  });

  test("is a ConfigError with another value, and for requireAuth", () => {
    const client = stubAuthClient();
    const problems = (make: () => unknown) => {
      try {
        make();
      } catch (error) {
        return error instanceof ConfigError ? error.problems.map(({ name }) => name) : error;
      }
      return undefined;
    };

    for (const invalidToken of ["Anonymous", true, null, ""] as never[])
      expect(problems(() => face.optionalAuth({ client, invalidToken }))).toEqual(["invalidToken"]);
    const given = { client, invalidToken: "anonymous" } as FaceOptions;
    expect(problems(() => face.requireAuth(given))).toEqual(["invalidToken"]);
  });
});
