import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { type Instruction, isCode, type Snippet, snippetsOf } from "../support/markdown.js";
import { type Finished, finished, plainEnvironment, root, run } from "../support/workspace.js";
import { packed, sources } from "./packed.js";

/** How long a snippet may run. */
const SNIPPET_TIMEOUT_MS = 20_000;
/** Whom the auth service behind the snippets knows. */
const users = {
  "token-ana": { id: "ana", permissions: ["products:read", "products:write"], locals: ["madrid"] },
};

/** A snippet of a document. */
interface Shown extends Snippet {
  readonly document: string;
}

const snippets = ["README.md", "docs/observability.md"].flatMap((document) =>
  snippetsOf(readFileSync(join(root, document), "utf8"))
    .filter(isCode)
    .map((snippet): Shown => ({ ...snippet, document })),
);

describe("the snippets of the documents", () => {
  const place = join(sources, "snippets");
  let typeCheck: Finished;

  beforeAll(async () => {
    await packed();
    mkdirSync(place);
    for (const snippet of snippets) writeFileSync(join(place, fileOf(snippet)), snippet.code);
    const compilerOptions = { target: "es2023", module: "nodenext", strict: true, skipLibCheck: true, noEmit: true };
    const project = { compilerOptions: { ...compilerOptions, types: ["node"] }, include: ["*.ts"] };
    writeFileSync(join(place, "tsconfig.json"), JSON.stringify(project));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    typeCheck = await run(process.execPath, [tsc, "-p", place, "--pretty", "false"], { cwd: place });
  });

  test.each(snippets.filter(({ language }) => language === "ts").map(named))(
    "have no type errors: %s",
    (_, snippet) => {
      expect(typeCheck.stdout.split("\n").filter((line) => line.startsWith(fileOf(snippet)))).toEqual([]);
    },
  );

  test("are all the compiler was asked about, and it has no complaint", () => {
    expect(typeCheck).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test.each(ofKind("run"))("run to their end: %s", async (_, snippet) => {
    const ended = await withAuthService((env) => finished(start(snippet, env), SNIPPET_TIMEOUT_MS));
    expect(ended).toMatchObject({ code: 0 });
    const promised = [...snippet.code.matchAll(/^\s*console\.log\(.*\);? \/\/ (.+)$/gm)].map(([, text]) => text);
    expect(ended.stdout.split("\n")).toEqual(expect.arrayContaining(promised));
  });

  test.each(ofKind("serve"))("serve: %s", async (_, snippet) => {
    const { method, path, status } = snippet.instruction as Instruction & { kind: "serve" };
    await withAuthService(async (env) => {
      const server = start(snippet, env);
      const ended = finished(server, SNIPPET_TIMEOUT_MS);
      const early = ended.then(({ stdout, stderr }) => {
        throw new Error(`it never listened\n${stdout}${stderr}`);
      });
      const [{ port }] = (await Promise.race([once(server, "message"), early])) as [{ port: number }];
      const ask = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
      const good = await ask({ authorization: "Bearer token-ana" });
      const anonymous = await ask({});
      server.kill();
      await ended;
      expect([good.status, anonymous.status]).toEqual([status, 401]);
    });
  });

  function ofKind(kind: Instruction["kind"]): [string, Shown][] {
    return snippets.filter(({ instruction }) => instruction.kind === kind).map(named);
  }

  function start(snippet: Shown, env: NodeJS.ProcessEnv) {
    const tsx = createRequire(import.meta.url).resolve("tsx");
    const reportPort = join(root, "test", "package", "fixtures", "report-port.mjs");
    const execArgv = [tsx, reportPort].flatMap((path) => ["--import", pathToFileURL(path).href]);
    return fork(join(place, fileOf(snippet)), { cwd: place, env: plainEnvironment(env), execArgv, silent: true });
  }
});

/** Gives a snippet an auth service in its environment. */
async function withAuthService<T>(use: (env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  await using service = await startAuthService({ users });
  const { grpc, rest } = service.upstreams;
  return await use({ AUTH_GRPC_URL: grpc.url, AUTH_REST_URL: rest.url, PORT: "0", METRICS_PORT: "0" });
}

function fileOf({ document, line, language, code }: Shown): string {
  return `${basename(document, ".md")}-line-${line}.${language === "js" && /\brequire\(/.test(code) ? "cjs" : language}`;
}

function named(snippet: Shown): [string, Shown] {
  return [`line ${snippet.line}`, snippet];
}
