import { connect } from "node:net";
import { expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { afterwards, startService } from "../support/open-client.js";
import { closedPort } from "../support/raw-upstreams.js";

const users = { "token-ana": { id: "ana" } };

test("The fake auth service listens at the ports that it is given, and stays there when it is stopped and started", async () => {
  const [grpc, rest] = [await closedPort(), await closedPort()];
  const service = await startService({ users, grpc: { port: grpc }, rest: { port: rest } });
  expect([service.grpc.url, service.rest.url]).toEqual([`http://127.0.0.1:${grpc}`, `http://127.0.0.1:${rest}`]);
  await service.rest.stop();
  await service.rest.start();
  const client = createAuthClient({ rest: { url: `http://127.0.0.1:${rest}` }, logger: false });
  afterwards(() => client.close());
  expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
});

test("It listens at another address of the machine, and can be reached at what it says", async () => {
  const service = await startService({ users, host: "0.0.0.0" });
  expect(service.upstreams.grpc.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const client = createAuthClient({ ...service.upstreams, logger: false });
  afterwards(() => client.close());
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
});

test("A port that is taken is told by Node's code, and the other one is let go", async () => {
  const first = await startService();
  const [taken, free] = [Number(new URL(first.grpc.url).port), await closedPort()];
  await expect(startAuthService({ grpc: { port: taken }, rest: { port: free } })).rejects.toMatchObject({
    code: "EADDRINUSE",
    port: taken,
  });
  const code = await new Promise((resolve) => {
    connect(free, "127.0.0.1").once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  expect(code).toBe("ECONNREFUSED");
});

test("What cannot be used is named, all at once", async () => {
  const options = { grpc: { port: 65_536 }, rest: { prot: 1 }, host: "", users: { t: { id: "" } } };
  await expect(startAuthService(options as never)).rejects.toThrow(
    [
      "portero cannot start with these settings:",
      '  users.t.id: expected a string that is not empty, got ""',
      '  host: expected an address of this machine, got ""',
      "  grpc.port: expected a port, 0 to 65535, got 65536",
      "  rest.prot: there is no such option; there are port",
    ].join("\n"),
  );
});
