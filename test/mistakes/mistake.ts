import { expect } from "@jest/globals";
import { type AuthClientOptions, createAuthClient, optionsFromEnv } from "../../src/client.js";
import { RecordingLogger } from "../support/recording-logger.js";

/** Something that a new user is likely to do, and what is said of it. */
export interface Mistake {
  /** The mistake, in words. */
  readonly is: string;
  /** Makes it, and resolves to the text by which it shows: an error's message, log lines, an answer. */
  make(): string | Promise<string>;
  /** Parts of that text: what is wrong, and what to write instead. */
  readonly says: readonly string[];
}

/** The message of what is thrown, or rejected with. */
export async function messageOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

/** What is said of an environment when the client is made. */
export function ofEnvironment(env: Readonly<Record<string, string>>): () => Promise<string> {
  return () => messageOf(() => createAuthClient(optionsFromEnv(env)));
}

/** What is said of options when the client is made. */
export function ofOptions(options: unknown): () => Promise<string> {
  return () => messageOf(() => createAuthClient(options as AuthClientOptions));
}

/** What a client logs while one token is verified, or more. */
export async function logOf(options: AuthClientOptions, tokens: readonly string[] = ["token-ana"]): Promise<string> {
  const logger = new RecordingLogger();
  const client = createAuthClient({ retry: { attempts: 1 }, ...options, logger });
  try {
    for (const token of tokens) await client.verifyToken(token).catch(() => undefined);
    const { grpc, rest } = client.status();
    const reasons = [grpc, rest].flatMap((upstream) => upstream?.lastFailure?.reason ?? []);
    for (const reason of reasons) expect(logger.lines.join("\n")).toContain(reason); // `status()` says the same
    return logger.lines.join("\n");
  } finally {
    await client.close();
  }
}
