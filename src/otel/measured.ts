/** The same in both module formats of this package. */
const MEASURED: unique symbol = Symbol.for("portero.measured") as never;
const shared = globalThis as { [MEASURED]?: WeakSet<object> };

/**
 * Has a meter provider measure one client at a time: two would have the same series, of which only the one that was read last is seen.
 *
 * @returns ends it; `undefined` where the provider measures a client
 */
export function measure(provider: object): (() => void) | undefined {
  shared[MEASURED] ??= new WeakSet();
  const providers = shared[MEASURED];
  if (providers.has(provider)) return undefined;
  providers.add(provider);
  return () => void providers.delete(provider);
}
