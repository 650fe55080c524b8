import { runInThisContext } from "node:vm";

/**
 * Imports a package when it is first needed, and once.
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
        loading = undefined; // a failed import may succeed later: do not keep the failure
        throw error;
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
