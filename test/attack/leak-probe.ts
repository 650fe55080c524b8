import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { jest } from "@jest/globals";
import type { AuthClient, AuthError, Logger } from "../../src/client.js";

/** So much of a secret, anywhere in it, is a leak: a truncated token is one too. */
const TRACE_LENGTH = 10;

/** Makes secrets, keeps all that the process says meanwhile, and finds the one in the other. */
export class LeakProbe {
  /** Whose secret each trace is a part of. */
  readonly #traces = new Map<string, string>();
  readonly #heard: { readonly where: string; readonly text: string }[] = [];

  /** A secret that has never been seen before. */
  secret(name: string): string {
    const secret = randomBytes(30).toString("base64url");
    for (const form of [secret, ...base64Of(secret), Buffer.from(secret).toString("hex")]) {
      for (const trace of windowsOf(form)) this.#traces.set(trace, name);
    }
    return secret;
  }

  hear(where: string, what: unknown): void {
    this.#heard.push({ where, text: typeof what === "string" ? what : render(what) });
  }

  /** For the option `logger`. */
  readonly logger: Logger = {
    info: (message) => this.hear("log", message),
    warn: (message) => this.hear("log", message),
    error: (message) => this.hear("log", message),
  };

  /** What a client tells its listeners, and what can be read of it. */
  watch(client: AuthClient): AuthClient {
    for (const event of ["breaker", "fallback", "cache"] as const) {
      client.on(event, (details) => this.hear(`event ${event}`, details));
    }
    return client;
  }

  look(client: AuthClient): void {
    this.hear("status", client.status());
    this.hear("client", client);
  }

  /** Everything that can be read of what it rejects with. What it resolves to may know what it likes. */
  async rejection(what: Promise<unknown>): Promise<string> {
    return what.then(
      () => "resolved",
      (error: AuthError) => {
        this.hear("error", error);
        this.hear("error.stack", String(error.stack));
        this.hear("error.headers", error.headers);
        return error.code;
      },
    );
  }

  /** Hears what is written to the process's own streams and to the console, instead of it being written. */
  tapProcess(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      jest.spyOn(process[stream], "write").mockImplementation((chunk) => {
        this.hear(stream, Buffer.from(chunk as string).toString());
        return true;
      });
    }
    for (const level of ["log", "info", "warn", "error", "debug", "trace"] as const) {
      jest.spyOn(console, level).mockImplementation((...said) => this.hear(`console.${level}`, said));
    }
  }

  /** `<secret> in <where>` for every place where a part of a secret stands. */
  leaks(): string[] {
    const found = this.#heard.flatMap(({ where, text }) => {
      const names = new Set<string>();
      for (const window of windowsOf(text)) {
        const name = this.#traces.get(window);
        if (name !== undefined) names.add(name);
      }
      return [...names].map((name) => `${name} in ${where}: ${text.slice(0, 200)}`);
    });
    return [...new Set(found)];
  }

  /** What was heard there. */
  heardIn(where: string): string[] {
    return this.#heard.filter((heard) => heard.where === where).map(({ text }) => text);
  }
}

/**
 * What a text looks like within a longer one in base64, wherever it begins there: after 0, 1 or 2 bytes of a group of three. Letters,
 * digits, `-` and `_` never become `+` or `/`, so that it looks the same in base64url.
 */
function base64Of(text: string): string[] {
  return [0, 1, 2].map((before) => {
    const mixed = Math.ceil((before * 8) / 6); // characters that hold something of what stands before it
    return Buffer.from("\0".repeat(before) + text)
      .toString("base64url")
      .slice(mixed);
  });
}

function* windowsOf(text: string): Iterable<string> {
  for (let at = 0; at + TRACE_LENGTH <= text.length; at++) yield text.slice(at, at + TRACE_LENGTH);
}

/** With hidden properties, getters and causes, to any depth. */
function render(what: unknown): string {
  const options = { depth: 20, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null } as const;
  return `${inspect(what, options)}\n${json(what)}`;
}

function json(what: unknown): string {
  try {
    return JSON.stringify(what) ?? "";
  } catch {
    return ""; // it has circles; inspect has shown them
  }
}
