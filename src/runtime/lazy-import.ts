import { runInThisContext } from "node:vm";

/** Characters of another's message, at most: it names a module, and nothing was asked yet that could be secret. */
const MAX_SHOWN = 160;

/** A package that is loaded when it is needed cannot be loaded. */
export class DependencyError extends Error {
  override readonly name = "DependencyError";
  readonly code = "ERR_DEPENDENCY";

  constructor(
    readonly specifier: string,
    cause: unknown,
  ) {
    const [why = ""] = String((cause as Partial<Error> | null)?.message ?? cause).split("\n", 1);
    const instead = /^Dynamic require of /.test(why)
      ? 'an ES module that a bundler makes needs the banner of README\'s "Bundling"'
      : 'is it installed beside portero, or left out of a bundle? See README\'s "Bundling"';
    super(`the package "${specifier}" cannot be loaded (${why.slice(0, MAX_SHOWN)}): ${instead}`, { cause });
  }
}

/**
 * Imports a package when it is first needed, and once. Rejects with a {@link DependencyError}.
 *
 * In a CommonJS Jest suite `import()` is missing. There, Jest's `require` loads what is CommonJS too, and Node's own `require`, from
 * the context around Jest's sandbox, what is not (Node 20.19 and up require ES modules).
 */
export function lazyImport<T>(load: () => Promise<T>, specifier: string): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load()
      .catch((error: unknown) => importInSandbox<T>(error, specifier))
      .catch((error: unknown) => {
        // What could not be read may be read later. What threw is half made: some bundlers hand that out the second time.
        if (isSystemError(error)) loading = undefined;
        throw new DependencyError(specifier, error);
      });
    return loading;
  };
}

async function importInSandbox<T>(error: unknown, specifier: string): Promise<T> {
  const code = (error as { code?: unknown } | null)?.code;
  const isSandboxed = typeof code === "string" && code.startsWith("ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING");
  if (!isSandboxed || typeof require !== "function") throw error;
  try {
    return require(specifier) as T;
  } catch {
    // An ES module. Whatever else is wrong with it shows below.
  }
  const { getBuiltinModule }: typeof process = runInThisContext("process"); // Node's own, not the one that Jest puts in its place
  return getBuiltinModule("node:module").createRequire(__filename)(specifier) as T;
}

/** No more open files, for one (EMFILE). */
function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException | null)?.syscall === "string";
}
