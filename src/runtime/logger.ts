/** Where portero reports transitions (a breaker opened, the shared cache went away). `console` fits; so do pino and winston. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Says nothing. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
