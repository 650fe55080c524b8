import * as http from "node:http";
import * as net from "node:net";
import { closing } from "./http-fixture.js";

export interface RawResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A server on a free port, until the test is over. */
export async function listen(server: http.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing({
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
  return (server.address() as net.AddressInfo).port;
}

/** Serves what the listener answers to a request that is written as it stands: no client tidies it up. */
export async function listenRaw(listener: http.RequestListener): Promise<(head: RawHead) => Promise<RawResponse>> {
  const port = await listen(http.createServer(listener));
  return (head) => exchange(port, head);
}

export interface RawHead {
  /** Default `GET / HTTP/1.1`. */
  readonly line?: string;
  /** Whole header lines. Each character is one byte. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

export function exchange(port: number, { line = "GET / HTTP/1.1", headers = [], body = "" }: RawHead) {
  return new Promise<RawResponse>((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    const chunks: Buffer[] = [];
    const hasHost = headers.some((header) => /^host:/i.test(header));
    const closes = headers.some((header) => /^connection:/i.test(header));
    const lines = [line, ...(hasHost ? [] : ["Host: api.example.com"]), ...headers];
    if (!closes) lines.push("Connection: close");
    if (body !== "") lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(parse(Buffer.concat(chunks).toString("latin1"))));
    socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1");
  });
}

function parse(text: string): RawResponse {
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((header) => {
      const colon = header.indexOf(":");
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }),
  );
  const raw = text.slice(end + 4);
  const body = headers["transfer-encoding"] === "chunked" ? joinChunks(raw) : raw;
  return { status: Number(statusLine.split(" ")[1]), headers, body };
}

function joinChunks(text: string): string {
  const lineEnd = text.indexOf("\r\n");
  const size = Number.parseInt(text.slice(0, lineEnd), 16);
  if (!(size > 0)) return "";
  const start = lineEnd + 2;
  return text.slice(start, start + size) + joinChunks(text.slice(start + size + 2));
}
