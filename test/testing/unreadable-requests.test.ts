import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "@jest/globals";
import { startService } from "../support/open-client.js";

/** Status line and body of what is answered to a request that no client would write. */
async function answerTo(url: string, request: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  socket.end(`${request.replaceAll("\n", "\r\n")}`);
  await once(socket, "close");
  return `${text.slice(9, 12)} ${/\{.*\}/.exec(text)?.[0]}`;
}

const get = (path: string) => `GET ${path} HTTP/1.1\nHost: auth\nConnection: close\n\n`;
const verify = (body: string) =>
  `POST /auth/verify HTTP/1.1\nHost: auth\nConnection: close\nContent-Length: ${body.length}\n\n${body}`;

test.each([
  [verify("{bad"), '400 {"detail":"the body is no JSON"}'],
  [verify("null"), '400 {"detail":"the body is no object: {\\"token\\": \\"…\\"}"}'],
  [verify('["token-ana"]'), '400 {"detail":"the body is no object: {\\"token\\": \\"…\\"}"}'],
  [get("/api/v1/users/%ff/locals"), '400 {"detail":"not a path that can be read"}'],
  [get("//"), '404 {"detail":"not found"}'],
  [get("//auth/verify"), '404 {"detail":"not found"}'],
])("the fake auth service answers %j", async (request, answer) => {
  const service = await startService();
  expect(await answerTo(service.rest.url, request)).toBe(answer);
});
