/** Where portero reports transitions (a breaker opened, the shared cache went away). `console` fits; so do pino and winston. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Logs where it can: a logger that throws must not cost an answer. */
export function tolerant(logger: Logger): Logger {
  const log = (level: keyof Logger) => (message: string) => {
    try {
      logger[level](message);
    } catch {}
  };
  return { info: log("info"), warn: log("warn"), error: log("error") };
}

/** Says nothing. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
