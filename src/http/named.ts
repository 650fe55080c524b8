/** Gives a middleware the name of what made it, for stack traces and for the lists of layers that Express and Koa keep. */
export function named<F extends (...given: never[]) => unknown>(name: string, middleware: F): F {
  return Object.defineProperty(middleware, "name", { value: name, configurable: true });
}
