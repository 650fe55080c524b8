import type { Clock } from "../runtime/clock.js";
import { FailureReport } from "../runtime/failure-report.js";
import type { Logger } from "../runtime/logger.js";
import { currentTls, type TlsOptions, type TlsSettingsError, type TlsSource } from "../runtime/tls-options.js";

/** The same settings. Where a function brings them, the log says when that begins to fail. */
export function watchedTls(
  tls: TlsSource | undefined,
  option: string,
  { clock, logger }: { clock: Clock; logger: Logger },
): TlsSource | undefined {
  if (typeof tls !== "function") return tls;
  const report = new FailureReport(clock, (why) =>
    logger.error(`portero: the function given as "${option}" failed: ${why}`),
  );
  return () => {
    try {
      const current = currentTls(tls) as TlsOptions;
      report.succeeded();
      return current;
    } catch (error) {
      report.failed(error, (error as TlsSettingsError).message);
      throw error;
    }
  };
}
