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
  { labels: '{job="new, and flooded", alertname="PorteroRefusalsSpike"}', value: 1 },
];
