import { whenAborted } from "../../runtime/abort.js";
import type { Config } from "../config/config.js";
import { shownUrl, shownUrls } from "../config/shown-url.js";
import { keepsScheme } from "../malformed-token.js";
import type { UserRef } from "../model.js";
import type { PipelineUpstream } from "../pipeline.js";
import type { TokenSyntax } from "../token.js";
import { checkAnswers, userOf } from "./answer-checks.js";
import {
  type AuthClientDiagnosis,
  checkOptions,
  type DiagnoseOptions,
  Findings,
  statusOf,
  Waits,
} from "./diagnosis.js";
import { checkRedis } from "./redis-checks.js";
import { openRoutes } from "./routes.js";
import { checkStore } from "./store-checks.js";
import { type Begun, UpstreamChecks } from "./upstream-checks.js";

/** The client that is looked at. */
export interface Diagnosed {
  readonly config: Config;
  readonly upstreams: readonly PipelineUpstream[];
  readonly isToken: TokenSyntax;
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal;
}

/** Looks at all that a client is made of, at once. Rejects with the reason of a signal, and with a `TypeError` for options that are none. */
export async function diagnose(client: Diagnosed, options: DiagnoseOptions): Promise<AuthClientDiagnosis> {
  checkOptions(options);
  const { clock } = client.config;
  const { signal: given, onWaiting } = options;
  const begunAt = clock.monotonic();
  const signal = given ? AbortSignal.any([given, client.closing]) : client.closing;
  signal.throwIfAborted();
  const waits = new Waits((what) => onWaiting?.(what));
  // Connections of the cache take their end from a signal of their own.
  const end = new AbortController();
  const letGo = whenAborted(signal, () => end.abort(signal.reason));
  try {
    const [ofUpstreams, ofCache] = await Promise.all([
      askAll(client, options.token, { signal, waits }),
      checkCache(client, { signal: end.signal, waits }),
    ]);
    signal.throwIfAborted();
    const checks = [ofSettings(client.config), ...ofUpstreams, ofCache].flatMap((findings) => findings?.checks ?? []);
    return { status: statusOf(checks), checks, durationMs: Math.round(clock.monotonic() - begunAt) };
  } finally {
    letGo();
    end.abort();
  }
}

interface Circumstances {
  readonly signal: AbortSignal;
  readonly waits: Waits;
}

function ofSettings({ grpc, rest, cache, risks }: Config): Findings {
  const findings = new Findings("settings");
  const places = [
    grpc && `gRPC at ${shownUrls(grpc.urls) ?? (grpc.transport ? "a transport of its own" : "a URL (not shown)")}`,
    rest && `REST at ${shownUrl(rest.url) ?? "a URL (not shown)"}`,
    cache.redisUrl && `the shared cache at ${shownUrl(cache.redisUrl) ?? "Redis"}`,
    cache.store && "a shared cache of its own",
  ].filter((place) => place !== undefined);
  findings.ok("all", places.join(", "));
  for (const risk of risks) {
    const [, what = risk, fix] = /^(.*)[;:] ((?:see|write|if) .*)$/s.exec(risk) ?? [];
    findings.warning("risk", what, { fix });
  }
  return findings;
}

/** Asks both sides, and holds their answers against each other. */
async function askAll(
  client: Diagnosed,
  text: string | undefined,
  circumstances: Circumstances,
): Promise<readonly (Findings | undefined)[]> {
  const opened = client.upstreams.map((upstream) => ({ upstream, routes: openRoutes(client.config, upstream) }));
  try {
    const { grpc, rest, clock } = client.config;
    const sides = opened.map((each) => new UpstreamChecks({ ...each, grpc, rest, clock, ...circumstances }));
    return await compareSides(client, text, sides);
  } finally {
    for (const { routes } of opened) routes.close();
  }
}

async function compareSides(
  { config: { clock }, isToken }: Diagnosed,
  text: string | undefined,
  sides: readonly UpstreamChecks[],
): Promise<readonly (Findings | undefined)[]> {
  const isGood = text === undefined || isToken(text);
  const token = isGood ? text : undefined;
  const begun = await Promise.all(sides.map((side) => side.begin(token)));
  const user = userOf(begun);
  const answers = await Promise.all(
    sides.map((side, at) => (canLookUp(begun[at], token, user) ? side.lookUp(user) : undefined)),
  );
  const told = sides.map(({ title, findings }, at) => ({
    title,
    begun: begun[at] as Begun,
    findings,
    looked: answers[at],
  }));
  const findings = sides.map((side) => side.findings);
  if (!isGood) return [...findings, malformed(text)];
  return [...findings, token === undefined ? undefined : checkAnswers(token, told, user, () => clock.now())];
}

/** Where neither knows the token, look-ups about nobody would say what is known without one. */
function canLookUp(begun: Begun | undefined, token: string | undefined, user: UserRef | undefined): boolean {
  return begun?.serves === true && (token === undefined || user !== undefined);
}

function malformed(text: unknown): Findings {
  const findings = new Findings("answers");
  const fix = keepsScheme(text)
    ? 'leave out "Bearer " before it'
    : "give the token alone, in one line: see tokenSyntax and maxTokenBytes";
  findings.failed("token", "what was given is no token", { fix });
  return findings;
}

async function checkCache({ config }: Diagnosed, { signal, waits }: Circumstances): Promise<Findings | undefined> {
  const { clock, cache } = config;
  if (cache.redis) return checkRedis({ redis: cache.redis, clock, signal, waits });
  return cache.store && checkStore({ store: cache.store, clock, signal, waits });
}
