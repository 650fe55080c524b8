/** One thing that was looked at. */
export interface DiagnosisCheck {
  /** `grpc.connection`, for example: docs/doctor.md has all. Several checks can have one id: of several addresses, for example. */
  readonly id: string;
  /** `failed`: it does not work. `warning`: it works, and should not stay so. `skipped`: it could not be looked at, which is no fault. */
  readonly status: "ok" | "warning" | "failed" | "skipped";
  /** What was found: for people, its text may change. */
  readonly message: string;
  /** The code of Node, HTTP, gRPC, TLS or Redis, where there is one: `ECONNREFUSED`, `HTTP 404`, `NOPERM`. */
  readonly code?: string;
  /** What to write or to do instead, where that can be told. */
  readonly fix?: string;
}

/** What `diagnose()` found. Plain and serialisable. */
export interface AuthClientDiagnosis {
  /** The worst of the checks. */
  readonly status: "ok" | "warning" | "failed";
  /** In a fixed order: settings, gRPC, REST, what they say of the token, the shared cache. */
  readonly checks: readonly DiagnosisCheck[];
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
}

export interface DiagnoseOptions {
  /**
   * A token of a user. All four operations are then asked of each upstream, about that user, and their answers compared. It is in no text of
   * the result; the user's id and permissions are, where the upstreams differ in them.
   */
  token?: string;
  /** Ends it, with the signal's reason. */
  signal?: AbortSignal;
  /** Told of what is being waited for, in words, whenever that changes; of an empty list at the end. */
  onWaiting?: (what: readonly string[]) => void;
}

/** @throws TypeError that names the option which is none; its value is not shown, as it may be a token */
export function checkOptions(given: unknown): asserts given is DiagnoseOptions {
  if (typeof given !== "object" || given === null) throw new TypeError("diagnose() takes an object of options");
  const { token, signal, onWaiting } = given as Readonly<Record<string, unknown>>;
  if (token !== undefined && typeof token !== "string") throw new TypeError("diagnose({ token }) takes a string");
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted !== "function")
    throw new TypeError("diagnose({ signal }) takes an AbortSignal");
  if (onWaiting !== undefined && typeof onWaiting !== "function")
    throw new TypeError("diagnose({ onWaiting }) takes a function");
}

/** All but the status and the message of a check. */
interface Details {
  readonly code?: string | undefined;
  readonly fix?: string | undefined;
}

/** Collects the checks of one part of a client. */
export class Findings {
  readonly checks: DiagnosisCheck[] = [];
  readonly #part: string;

  /** @param part what the ids begin with */
  constructor(part: string) {
    this.#part = part;
  }

  ok(name: string, message: string): void {
    this.#add(name, "ok", message, {});
  }

  warning(name: string, message: string, details: Details = {}): void {
    this.#add(name, "warning", message, details);
  }

  failed(name: string, message: string, details: Details = {}): void {
    this.#add(name, "failed", message, details);
  }

  skipped(name: string, message: string, details: Details = {}): void {
    this.#add(name, "skipped", message, details);
  }

  #add(name: string, status: DiagnosisCheck["status"], message: string, { code, fix }: Details): void {
    const id = `${this.#part}.${name}`;
    this.checks.push({ id, status, message, ...(code !== undefined && { code }), ...(fix !== undefined && { fix }) });
  }
}

export function statusOf(checks: readonly DiagnosisCheck[]): AuthClientDiagnosis["status"] {
  const has = (status: DiagnosisCheck["status"]) => checks.some((check) => check.status === status);
  return has("failed") ? "failed" : has("warning") ? "warning" : "ok";
}

/** What a diagnosis waits for at the moment. */
export class Waits {
  readonly #waiting = new Map<symbol, string>();
  readonly #tell: (what: readonly string[]) => void;

  constructor(tell: (what: readonly string[]) => void) {
    this.#tell = tell;
  }

  /** Settles as the promise does. */
  async for<T>(what: string, promise: Promise<T>): Promise<T> {
    const id = Symbol(what);
    this.#waiting.set(id, what);
    this.#say();
    try {
      return await promise;
    } finally {
      this.#waiting.delete(id);
      this.#say();
    }
  }

  #say(): void {
    try {
      this.#tell([...new Set(this.#waiting.values())]);
    } catch {
      // A listener's own failure is none of what is looked at.
    }
  }
}
