import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { AuthError } from "../../src/client.js";
import type { FakeAuthService } from "../../src/testing.js";
import { express5Face, koa3Face } from "../support/faces.js";
import { closeAll } from "../support/http-fixture.js";
import { openClient, startService } from "../support/open-client.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

/** Ways to be refused; from outside they must all look the same. */
const REFUSALS: readonly (readonly [string, (service: FakeAuthService) => void])[] = [
  ["nobody knows it", () => undefined],
  ["UNAUTHENTICATED", ({ grpc }) => grpc.refuse(Code.Unauthenticated)],
  ["INVALID_ARGUMENT", ({ grpc }) => grpc.refuse(Code.InvalidArgument)],
  ["NOT_FOUND", ({ grpc }) => grpc.refuse(Code.NotFound)],
  ["PERMISSION_DENIED", ({ grpc }) => grpc.refuse(Code.PermissionDenied)],
  ["REST 401", ({ grpc, rest }) => [grpc.fail(), rest.refuse(401)]],
  ["REST 403", ({ grpc, rest }) => [grpc.fail(), rest.refuse(403)]],
  ["REST 400", ({ grpc, rest }) => [grpc.fail(), rest.refuse(400)]],
  ["REST 422", ({ grpc, rest }) => [grpc.fail(), rest.refuse(422)]],
];

describe.each([express5Face, koa3Face])("$name answers a refused token", (face) => {
  /** The whole answer, but for its date. */
  async function openDoor() {
    const service = await startService({ users: { "token-gone": { id: "gone", isActive: false } } });
    const client = openClient(service);
    const send = await listenRaw(face.serve("/", face.requireAuth({ client })));
    const answerTo = async (token: string) => {
      const { status, headers, body } = await send({ headers: [`Authorization: Bearer ${token}`] });
      return JSON.stringify([status, Object.entries({ ...headers, date: "" }), body]);
    };
    return { service, client, answerTo };
  }

  test.each(REFUSALS)(
    "the same, whether it is new or remembered, and why ever it is refused: %s",
    async (_why, refuse) => {
      const reference = await (await openDoor()).answerTo("anything");
      const { service, client, answerTo } = await openDoor();
      refuse(service);

      const unknown = await answerTo("token-new");
      const asked = service.calls.VerifyToken;
      const remembered = await answerTo("token-new");

      expect(service.calls.VerifyToken).toBe(asked); // the second one came from the memory
      expect(client.status().cache.refusals).toBe(1);
      expect([unknown, remembered]).toEqual([reference, reference]);
    },
  );

  test("the same for an inactive user, new or remembered", async () => {
    const { service, answerTo } = await openDoor();

    const first = await answerTo("token-gone");

    expect(await answerTo("token-gone")).toBe(first);
    expect(first).toContain("inactive_user");
    expect(service.calls.VerifyToken).toBe(1);
  });
});

test("A refusal's error tells no more when it is remembered.", async () => {
  const service = await startService();
  const client = openClient(service);
  const told = async () => {
    const error = await client.verifyToken("token-new").catch((reason: AuthError) => reason);
    const { name, message, code, status, expose, headers, cause } = error as AuthError;
    return { name, message, code, status, expose, headers, cause, keys: Object.keys(error) };
  };

  const unknown = await told();

  expect(await told()).toEqual(unknown);
  expect(unknown.cause).toBeUndefined();
  expect(client.peekToken("token-new")).toBeUndefined();
  expect(service.calls.VerifyToken).toBe(1);
});
