const zeros = "0x30";
const perMinute = (count: number) => `0+${count}x30`;
const afterOne = (first: number, then: number) => `${first} ${then}x30`;

const auth = (job: string, values: string, failed: string) => [
  { series: `portero_authentications_total{job="${job}",portero_source="process"}`, values },
  { series: `portero_authentications_total{job="${job}",error_type="auth_unavailable"}`, values: failed },
];
const guards = (job: string, values: string) => [
  { series: `portero_authorizations_total{job="${job}",portero_decision="error"}`, values },
];
const breaker = (job: string, upstream: string, state: string, values: string) => ({
  series: `portero_breaker_state{job="${job}",portero_upstream="${upstream}",portero_breaker_state="${state}"}`,
  values,
});

const grpcCalls = (job: string, outcome: string, values: string, unit = "") => ({
  series: `portero_upstream_call_duration${unit}_count{job="${job}",portero_upstream="grpc",portero_outcome="${outcome}"}`,
  values,
});
const sharedErrors = (job: string, values: string) => ({
  series: `portero_cache_shared_errors_total{job="${job}",error_type="refused"}`,
  values,
});

/** What no outage of a test makes at will: a value a minute. */
export const rowsByHand = [
  ...auth("ten fail once", perMinute(120), "0x10 10x20"),
  ...guards("ten fail once", zeros),
  ...auth("look-ups fail, tokens are cached", perMinute(120), zeros),
  ...guards("look-ups fail, tokens are cached", perMinute(20)),
  // Half-open until something is asked.
  breaker("idle after an outage", "grpc", "closed", zeros),
  breaker("idle after an outage", "grpc", "open", zeros),
  breaker("flaps", "grpc", "closed", "1x5 0 0 0 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"),
  breaker("flaps", "grpc", "open", "0x5 1 1 1 0 1 1 1 1 0 1 1 1 1 0 1 1 1 1 0"),
  // A series begins with its first failure, and a breaker opens at five of them within a minute.
  grpcCalls("not the auth service", "broken", "_ 1+1x30"),
  grpcCalls("not the auth service, by the Collector", "broken", perMinute(2), "_seconds"),
  grpcCalls("gRPC fails now and then", "unreachable", perMinute(2)),
  grpcCalls("gRPC fails now and then", "answered", perMinute(1)),
  grpcCalls("gRPC failed for three minutes", "unreachable", "0 4 8 12x20"),
  sharedErrors("takes no writes", perMinute(1)),
  sharedErrors("refused once", "0x10 3x20"),
  {
    series: 'portero_authentications_total{job="new, and flooded",error_type="invalid_token"}',
    values: perMinute(100),
  },
  { series: 'portero_upstream_queued_calls{job="just started"}', values: afterOne(3, 0) },
  { series: 'portero_log_state{job="just started",portero_log_state="behind"}', values: afterOne(1, 0) },
  breaker("just started", "shared_cache", "closed", afterOne(0, 1)),
];

/** The alerts that are to fire in their first 20 minutes; the others never. */
export const firedByHand = [
  { labels: '{job="look-ups fail, tokens are cached", alertname="PorteroServes503"}', value: 1 },
  { labels: '{job="flaps", alertname="PorteroGrpcLeftAlone"}', value: 1 },
  { labels: '{job="not the auth service", alertname="PorteroGrpcAnswersNothing"}', value: 1 },
  { labels: '{job="not the auth service, by the Collector", alertname="PorteroGrpcAnswersNothing"}', value: 1 },
  { labels: '{job="takes no writes", alertname="PorteroSharedCacheRefuses"}', value: 1 },
  { labels: '{job="new, and flooded", alertname="PorteroRefusalsSpike"}', value: 1 },
];
