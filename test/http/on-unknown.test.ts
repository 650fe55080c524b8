import { afterEach, describe, expect, test } from "@jest/globals";
import { ConfigError } from "../../src/index.js";
import { type FaceOptions, faces } from "../support/faces.js";
import { closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

/** A limit by a header that a proxy sets. */
const limited: NonNullable<FaceOptions["onUnknown"]> = (_facts, { headers }) => {
  return (headers as Record<string, string>)["x-address"] === "10.0.0.1" ? undefined : "overloaded";
};

describe.each(faces)("in $name the option onUnknown", (face) => {
  async function open(maker: "requireAuth" | "optionalAuth", options: FaceOptions & object = {}) {
    const { service, client } = await startAuth();
    const step = face[maker]({ client, onUnknown: limited, ...options });
    const send = await listenRaw(face.serve("/", step));
    const ask = async (token: string, address: string) => {
      const headers = [`Authorization: Bearer ${token}`, `X-Address: ${address}`];
      const { status, body, headers: got } = await send({ line: "GET / HTTP/1.1", headers });
      const { code, auth } = JSON.parse(body);
      return { is: `${status} ${code ?? auth.user?.id ?? auth}`, got };
    };
    return { service, ask };
  }

  test("gets the request, and turns it away before anything is asked: not one whose token is known", async () => {
    const { service, ask } = await open("requireAuth");

    expect((await ask("token-ana", "10.0.0.2")).is).toBe("503 overloaded");
    expect(service.calls.total).toBe(0);
    expect((await ask("token-ana", "10.0.0.1")).is).toBe("200 ana");
    expect((await ask("token-ana", "10.0.0.2")).is).toBe("200 ana");
    expect(service.calls.total).toBe(1);
  });

  test("makes nobody anonymous unless a bad token does", async () => {
    const { ask } = await open("optionalAuth", { onUnknown: () => "invalid_token" });
    expect((await ask("token-ana", "10.0.0.2")).is).toBe("401 invalid_token");
    const lenient = await open("optionalAuth", { onUnknown: () => "invalid_token", ...{ invalidToken: "anonymous" } });
    expect((await lenient.ask("token-ana", "10.0.0.2")).is).toBe("200 missing_token");
    const busy = await open("optionalAuth", { ...{ invalidToken: "anonymous" } });
    expect((await busy.ask("token-ana", "10.0.0.2")).is).toBe("503 overloaded");
  });

  test("that fails is 503, and lets nobody in", async () => {
    const onUnknown = () => {
      throw new Error("out of order");
    };
    const { service, ask } = await open("optionalAuth", { onUnknown });
    expect((await ask("token-ana", "10.0.0.2")).is).toBe("503 auth_unavailable");
    expect(service.calls.total).toBe(0);
  });

  test("is a function", () => {
    expect(() => face.requireAuth({ onUnknown: "overloaded" as never })).toThrow(ConfigError);
  });
});
