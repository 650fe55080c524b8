import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
}

const hasCurl = spawnSync("curl", ["--version"]).status === 0;

/** Does what a printed curl line does: with a shell and curl, or, where there is no curl, as it would. */
export function perform(line: string): Promise<Answer> {
  return hasCurl ? throughShell(line) : throughFetch(line);
}

async function throughShell(line: string): Promise<Answer> {
  const { stdout } = await promisify(execFile)("sh", ["-c", `${line} -s`]);
  const [head = ""] = stdout.split("\r\n\r\n");
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
    header: (name) => new RegExp(`^${name}: (.*?)\r?$`, "im").exec(head)?.[1],
  };
}

async function throughFetch(line: string): Promise<Answer> {
  const inner = /\$\(curl -s (\S+?)\)/.exec(line);
  const full = inner ? line.replace(inner[0], await (await fetch(inner[1]!)).text()) : line;
  const words = [...full.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
  const valuesOf = (flag: string) => words.filter((_word, at) => words[at - 1] === flag);
  const [body] = valuesOf("-d");
  const [method = body === undefined ? "GET" : "POST"] = valuesOf("-X");
  const headers = valuesOf("-H").map((header) => header.split(": ") as [string, string]);
  const url = words.find((word) => word.startsWith("http://"));
  if (url === undefined) throw new Error(`no URL in: ${line}`);
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body }) });
  await response.text();
  return { status: response.status, header: (name) => response.headers.get(name) ?? undefined };
}
