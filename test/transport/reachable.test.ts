import { createServer } from "node:https";
import { expect, test } from "@jest/globals";
import { reach } from "../../src/transport/reachable.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { listen } from "../support/listen.js";
import { closedPort, startRawGrpc, startTcpGate } from "../support/raw-upstreams.js";
import { selfSigned } from "../support/self-signed.js";

const opened = closedAfterEach();

test("a server that accepts is reachable, whatever it would say", async () => {
  const { url } = opened(await startTcpGate());
  await reach(url, undefined);
});

test("a port where nobody listens is not", async () => {
  await expect(reach(`http://127.0.0.1:${await closedPort()}`, undefined)).rejects.toMatchObject({
    failure: "unreachable",
    detail: "ECONNREFUSED",
  });
});

test("over TLS its certificate must be good, and it must speak HTTP/1.1", async () => {
  const { key, cert } = selfSigned();
  const server = createServer({ key, cert });
  const url = `https://127.0.0.1:${await listen(server)}`;
  opened(server);
  await reach(url, { ca: cert });
  await expect(reach(url, undefined)).rejects.toMatchObject({ detail: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const grpc = opened(await startRawGrpc(reply.trailers(16), { key, cert }));
  await expect(reach(grpc.url, { ca: cert })).rejects.toMatchObject({
    detail: "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
  });
});

test("nor is one that is to be reached with TLS settings that a function does not bring", async () => {
  const tls = () => {
    throw new Error("no file");
  };
  await expect(reach("https://127.0.0.1:1", tls)).rejects.toMatchObject({ detail: "ERR_TLS_SETTINGS", ours: true });
});
