import { pathToFileURL } from "node:url";
import { constants, runInThisContext } from "node:vm";

/**
 * Imports a package when it is first needed, and once.
 *
 * In a CommonJS Jest suite `import()` is missing. There, Jest's `require` loads what is CommonJS too, and Node's own `import()`,
 * in the context around Jest's sandbox, what is not.
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
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const importOutside: (url: string) => Promise<T> = runInThisContext("(url) => import(url)", {
    importModuleDynamically,
  });
  return importOutside(pathToFileURL(require.resolve(specifier)).href);
}
