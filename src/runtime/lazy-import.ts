/**
 * Imports a package when it is first needed, and once.
 *
 * In a CommonJS Jest suite `import()` is missing, and Jest's own `require` does not read ES modules: there, the `require` of
 * Node itself loads it (Node 20.19 and up load ES modules that way).
 */
export function lazyImport<T>(load: () => Promise<T>, specifier: string): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load()
      .catch((error: unknown) => requireNatively<T>(error, specifier))
      .catch((error: unknown) => {
        loading = undefined; // a failed import may succeed later: do not keep the failure
        throw error;
      });
    return loading;
  };
}

function requireNatively<T>(error: unknown, specifier: string): T {
  const code = (error as { code?: unknown } | null)?.code;
  const isJestWithoutImport = typeof code === "string" && code.startsWith("ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING");
  if (!isJestWithoutImport || typeof __filename !== "string") throw error;
  return process.getBuiltinModule("node:module").createRequire(__filename)(specifier) as T;
}
