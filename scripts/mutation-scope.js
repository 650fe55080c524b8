const CACHE_SUITES = [
  "beside-fresh",
  "bounds",
  "clocks",
  "corrupt-entries",
  "fresh",
  "fresh-calls",
  "frozen",
  "invalidation",
  "keyring",
  "mass-refusals",
  "misplaced-replies",
  "organizations",
  "pending-writes",
  "refresh-ahead",
  "refusals",
  "sealed-entries",
  "shared-invalidation",
  "shares",
  "single-flight",
  "stale-if-error",
  "store-failures",
  "token-expiry",
  "tombstones",
  "ttl",
];

/** All of the cache's suites, those first that are the likeliest to notice. */
function cacheSuites(...first) {
  return suites("cache", ...new Set([...first, ...CACHE_SUITES]));
}

function suites(folder, ...names) {
  return names.map((name) => `test/${folder}/${name}.test.ts`);
}

/** What is mutated, and which suites must notice it: what a file does is held by its own tests, not by chance through others'. */
export const SCOPE = [
  {
    sources: ["src/runtime/circuit-breaker.ts"],
    suites: suites("runtime", "circuit-breaker"),
  },
  {
    sources: ["src/runtime/time-limit.ts"],
    suites: [...suites("runtime", "time-limit"), ...suites("cache", "store-failures")],
  },
  {
    sources: ["src/auth/string-lists.ts"],
    suites: suites("auth", "string-lists"),
  },
  {
    sources: ["src/transport/breaker.ts", "src/transport/failover.ts", "src/transport/retry.ts"],
    suites: suites("transport", "breaker", "failover", "probe", "retry", "retry-throttle", "pipeline"),
  },
  {
    sources: ["src/http/bearer.ts", "src/auth/token.ts", "src/auth/token-api.ts", "src/auth/recent-tokens.ts"],
    suites: [
      ...suites("auth", "recent-tokens", "token", "token-api"),
      ...suites("http", "bearer", "recent-headers"),
      ...suites("properties", "bearer"),
    ],
  },
  {
    sources: ["src/http/request.ts"],
    suites: suites("http", "request", "bearer", "guard-sources", "cookie", "recent-headers", "upgrade"),
  },
  {
    sources: ["src/http/authenticator.ts"],
    suites: suites("http", "options", "middleware", "attached-user", "recent-headers", "upgrade", "cookie"),
  },
  {
    sources: ["src/http/middleware.ts", "src/http/express-adapter.ts", "src/http/koa-adapter.ts"],
    suites: suites("http", "middleware", "on-error", "answers-that-fail", "koa-by-hand", "second-source", "unanswered"),
  },
  {
    sources: ["src/http/guards.ts", "src/http/guard-source.ts"],
    suites: suites("http", "guards", "guard-sources", "options", "error-table"),
  },
  {
    sources: ["src/http/problem.ts", "src/auth/challenge.ts"],
    suites: [...suites("properties", "challenge"), ...suites("http", "error-table", "on-error")],
  },
  {
    sources: ["src/auth/errors.ts"],
    suites: [
      ...suites("auth", "errors"),
      ...suites("http", "error-table", "on-error", "options"),
      ...suites("properties", "challenge"),
    ],
  },
  {
    sources: ["src/auth/jwt.ts"],
    suites: suites("attack", "jwt-spelling", "similar-tokens"),
  },
  {
    sources: ["src/auth/jwt-expiry.ts"],
    suites: [...suites("properties", "jwt-expiry"), ...suites("cache", "token-expiry")],
  },
  {
    sources: ["src/cache/redis-connection.ts", "src/cache/redis-dialer.ts"],
    suites: suites("cache", "redis-connection", "redis-dialer"),
  },
  {
    sources: ["src/cache/redis.ts", "src/cache/redis-link.ts"],
    suites: suites("cache", "redis-link", "redis-store"),
  },
  {
    sources: ["src/cache/redis-cluster.ts", "src/cache/redis-shard.ts"],
    suites: suites("cache", "redis-shard", "cluster-redirections", "cluster-masters"),
  },
  {
    sources: ["src/cache/redis-ask.ts"],
    suites: suites("cache", "redis-ask"),
  },
  {
    sources: ["src/cache/redis-sentinel.ts", "src/cache/redis-topology.ts"],
    suites: suites("cache", "redis-topology", "sentinel-votes"),
  },
  {
    sources: ["src/cache/redis-inspection.ts"],
    suites: suites("cache", "redis-inspection"),
  },
  {
    sources: ["src/cache/redis-log.ts"],
    suites: suites("cache", "redis-log"),
  },
  {
    sources: [
      "src/cache/log-batch.ts",
      "src/cache/log-echoes.ts",
      "src/cache/log-facts.ts",
      "src/cache/log-outbox.ts",
      "src/cache/log-pauses.ts",
      "src/cache/log-proof.ts",
      "src/cache/log-reader.ts",
      "src/cache/log-rounds.ts",
      "src/cache/log-teller.ts",
      "src/cache/log-wire.ts",
      "src/cache/invalidation-log.ts",
    ],
    suites: suites(
      "cache",
      "log-outbox",
      "log-batch",
      "log-echoes",
      "log-facts",
      "log-pauses",
      "log-wire",
      "log-reader",
      "log-rounds",
      "log-teller",
      "invalidation-log",
      "doubt",
      "subjects",
      "redis-log",
      "log",
    ),
  },
  {
    sources: ["src/cache/cluster-slots.ts"],
    suites: suites("cache", "cluster-slots", "redis-inspection", "cluster-masters"),
  },
  {
    sources: ["src/cache/cluster-map.ts", "src/cache/redis-target.ts"],
    suites: suites("cache", "cluster-map", "redis-target"),
  },
  {
    sources: ["src/cache/shared-store.ts", "src/cache/store-gates.ts"],
    suites: suites("cache", "store-parts", "store-gate", "strangers-reads", "guarded-store"),
  },
  {
    sources: ["src/cache/reply-guard.ts"],
    suites: suites("cache", "reply-guard"),
  },
  {
    sources: ["src/cache/store-error.ts"],
    suites: suites("cache", "store-error"),
  },
  {
    sources: ["src/cache/keyring.ts"],
    suites: [...suites("cache", "keyring", "sealed-entries"), ...suites("properties", "key-encoding")],
  },
  {
    sources: ["src/cache/subject-shares.ts"],
    suites: suites("cache", "subject-shares"),
  },
  {
    sources: ["src/runtime/bounded-map.ts", "src/cache/process-cache.ts"],
    suites: [...suites("runtime", "bounded-map"), ...suites("cache", "process-cache")],
  },
  {
    sources: ["src/cache/single-flight.ts"],
    suites: suites("cache", "flights"),
  },
  {
    sources: ["src/cache/write-health.ts"],
    suites: suites("cache", "write-health"),
  },
  {
    sources: ["src/cache/fresh-turns.ts"],
    suites: suites("cache", "fresh-turns"),
  },
  {
    sources: ["src/cache/negative-cache.ts"],
    suites: suites("cache", "negative-cache"),
  },
  {
    sources: ["src/cache/shared-cache.ts", "src/cache/written-ids.ts"],
    suites: suites("cache", "shared-cache", "written-ids"),
  },
  {
    sources: ["src/cache/store-gate.ts"],
    suites: suites("cache", "store-gate"),
  },
  {
    sources: ["src/cache/pending-writes.ts"],
    suites: suites("cache", "pending-writes", "refusals", "shared-invalidation"),
  },
  {
    sources: ["src/cache/guarded-store.ts"],
    suites: [
      ...cacheSuites("guarded-store", "store-failures", "misplaced-replies", "corrupt-entries", "keyring"),
      ...suites("auth", "client-close"),
    ],
  },
  {
    sources: ["src/cache/timeline.ts"],
    suites: suites("cache", "timeline"),
  },
  {
    sources: ["src/cache/subject-invalidations.ts"],
    suites: suites("cache", "subject-invalidations", "void"),
  },
  {
    sources: ["src/cache/invalidation.ts", "src/cache/tombstones.ts"],
    suites: [
      ...suites("cache", "void", "subject-invalidations", "subjects", "organizations"),
      ...cacheSuites("tombstones", "clocks", "shared-invalidation", "invalidation", "shares"),
      ...suites("attack", "jwt-spelling"),
    ],
  },
  {
    sources: ["src/cache/load-task.ts", "src/cache/load-results.ts", "src/cache/stale-if-error.ts"],
    suites: suites("cache", "load-task", "load-results", "stale-entries"),
  },
  {
    sources: ["src/cache/tiered-cache.ts"],
    suites: suites("cache", "tiered-cache"),
  },
  {
    sources: ["src/cache/loader.ts", "src/cache/service-loads.ts"],
    suites: [
      ...cacheSuites(
        "tiered-cache",
        "stale-if-error",
        "refresh-ahead",
        "fresh",
        "beside-fresh",
        "single-flight",
        "ttl",
        "token-expiry",
        "later-answers",
        "told-refusals",
        "doubt",
      ),
      ...suites("auth", "client-status", "unknown-token", "channels", "on-invalidated"),
      ...suites("transport", "known"),
    ],
  },
  {
    sources: ["src/auth/cache-specs.ts"],
    suites: cacheSuites("corrupt-entries", "bounds", "frozen", "ttl"),
  },
  {
    sources: ["src/auth/caches.ts"],
    suites: [
      ...suites("auth", "client-status", "client-close", "client-events", "client-ready"),
      ...cacheSuites("store-failures"),
      ...suites("cache", "redis"),
    ],
  },
];
