/** The defaults, as the documents give them: not read from the sources. */
export const DEFAULTS = {
  breaker: { failureThreshold: 5, windowMs: 60_000, recoveryMs: 30_000 },
  retry: { attempts: 3, initialDelayMs: 50, maxDelayMs: 1000 },
  limit: { maxConcurrent: 256, maxQueue: 1024 },
  cache: {
    maxEntries: 20_000,
    maxBytes: 67_108_864,
    recentBytes: 16_777_216,
    ttlMs: 300_000,
    localsTtlMs: 3_600_000,
    permissionsTtlMs: 300_000,
    organizationTtlMs: 3_600_000,
    refusalTtlMs: 10_000,
    processTtlMs: 30_000,
    staleIfErrorMs: 0,
  },
};
