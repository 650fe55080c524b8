import { afterEach, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { startAuthService, stubAuthClient } from "../../src/testing.js";
import { type Face, faces, type Step } from "../support/faces.js";
import { bearer, closeAll, closing } from "../support/http-fixture.js";

afterEach(closeAll);

const users = {
  "token-ana": { id: "ana", organizationId: "", locals: ["madrid"] },
  "token-of-jose": { id: "jose", organizationId: "josé", locals: ["madrid"] },
};

/** A client of both upstreams, or of some. */
async function open(...ends: readonly ("grpc" | "rest")[]) {
  const service = closing(await startAuthService({ users, organizations: { "": { modules: ["inventory"] } } }));
  const upstreams: AuthClientOptions = {};
  for (const end of ends) upstreams[end] = { url: service[end].url, timeoutMs: 30_000 };
  const client = closing(createAuthClient({ ...upstreams, retry: { attempts: 1 }, logger: false }));
  const ask = async (face: Face, guard: Step, token = "token-ana") => {
    const app = face.serve("/:localId", face.requireAuth({ client }), guard);
    const { status, text } = await request(app).get("/madrid").set(bearer(token));
    return `${status} ${JSON.parse(text).code ?? ""}`.trim();
  };
  return { service, ask };
}

describe.each(faces)("in $name a user without an organization", (face) => {
  const fresh = () => face.requireLocal("localId", { fresh: true });

  test.each([[["grpc"]], [["rest"]], [["grpc", "rest"]]] as const)("is looked up with fresh over %j", async (ends) => {
    const { service, ask } = await open(...ends);

    expect(await ask(face, fresh())).toBe("200");
    service.allow("token-ana", { ...users["token-ana"], locals: ["lugo"] });
    expect(await ask(face, fresh())).toBe("403 insufficient_scope");
    expect(service.calls.GetUserLocals).toBe(2);
  });

  test("is looked up over REST when gRPC has gone", async () => {
    const { service, ask } = await open("grpc", "rest");
    await service.grpc.stop();

    expect(await ask(face, fresh())).toBe("200");
    expect(service.rest.calls).toMatchObject({ VerifyToken: 1, GetUserLocals: 1 });
  });

  test("has no module, and nobody is asked", async () => {
    const { service, ask } = await open("grpc", "rest");

    expect(await ask(face, face.requireModule("inventory"))).toBe("403 insufficient_scope");
    expect(service.calls.GetOrganization).toBe(0);
  });

  test("is looked up by the client for tests too", async () => {
    const app = face.serve("/:localId", face.requireAuth({ client: stubAuthClient({ users }) }), fresh());

    expect((await request(app).get("/madrid").set(bearer("token-ana"))).status).toBe(200);
    expect((await request(app).get("/lugo").set(bearer("token-ana"))).status).toBe(403);
  });
});

test("Over REST nothing names an organization where there is none, not even this service's own headers.", async () => {
  const service = closing(await startAuthService({ users }));
  const { rest } = service.upstreams;
  for (const headers of [undefined, { "X-Tenant-ID": "org-of-the-shop" }, async () => ({ "x-tenant-id": "org-1" })]) {
    const client = closing(
      createAuthClient({ rest, retry: { attempts: 1 }, logger: false, ...(headers && { headers }) }),
    );
    for (const ask of [client.getUserLocals, client.getUserPermissions]) {
      await ask({ userId: "ana", organizationId: "" }, { fresh: true });
      expect(service.rest.lastRequest?.headers).not.toHaveProperty("x-tenant-id");
    }
  }
});

describe.each(faces)("in $name a user whose organization fits no header", (face) => {
  const guard = () => face.requireLocal("localId", { fresh: true });

  test("is looked up over gRPC, and waits for it while it is out of reach", async () => {
    const { service, ask } = await open("grpc", "rest");

    expect(await ask(face, guard(), "token-of-jose")).toBe("200");
    await service.grpc.stop();
    expect(await ask(face, guard(), "token-of-jose")).toBe("503 auth_unavailable");
    expect(service.rest.calls.total).toBe(0);
  });

  test("has no rights that hang on a look-up where there is REST alone", async () => {
    const { service, ask } = await open("rest");

    expect(await ask(face, guard(), "token-of-jose")).toBe("403 insufficient_scope");
    expect(service.calls.GetUserLocals).toBe(0);
  });
});
