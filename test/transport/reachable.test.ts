import { expect, test } from "@jest/globals";
import { isReachable } from "../../src/transport/reachable.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { closedPort, startRawGrpc, startTcpGate } from "../support/raw-upstreams.js";
import { selfSigned } from "../support/self-signed.js";

const opened = closedAfterEach();

test("a server that accepts is reachable, whatever it would say", async () => {
  const { url } = opened(await startTcpGate());
  expect(await isReachable(url, undefined)).toBe(true);
});

test("a port where nobody listens is not", async () => {
  expect(await isReachable(`http://127.0.0.1:${await closedPort()}`, undefined)).toBe(false);
});

test("over TLS its certificate must be good", async () => {
  const { key, cert } = selfSigned();
  const { url } = opened(await startRawGrpc(reply.trailers(16), { key, cert }));
  expect(await isReachable(url, { ca: cert })).toBe(true);
  expect(await isReachable(url, undefined)).toBe(false);
});
