import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { raceAbort, raceTimeout } from "../../runtime/abort.js";
import type { Clock } from "../../runtime/clock.js";
import { meetPeer } from "../../runtime/peer.js";
import type { TlsSource } from "../../runtime/tls-options.js";
import type { Findings, Waits } from "./diagnosis.js";

/** More addresses of one host than these are not tried. */
const MAX_ADDRESSES = 8;
const DAY_MS = 24 * 3_600_000;
/** Certificates that are renewed by themselves are by then. */
const SOON_DAYS = 14;
const LATE = "ETIMEDOUT";
const SILENCE = "it says nothing: does a firewall swallow it, is it another port's?";
/** Nothing is at that address. */
const ABSENT = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/;

/** Where to knock, and how the failures are explained. */
export interface PeerCheckOptions {
  readonly findings: Findings;
  readonly waits: Waits;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** For a look-up, and for a connection, in milliseconds. */
  readonly timeoutMs: number;
  readonly secure: boolean;
  readonly tls: TlsSource | undefined;
  /** Offered in the handshake. */
  readonly protocols?: readonly string[];
  /** The code of a failure to look up or to connect. */
  readonly codeOf: (error: unknown) => string;
  /** What to write instead. */
  readonly fixFor: (code: string) => string | undefined;
  /** The same of one that says nothing. Default: in general words. */
  readonly silence?: string;
}

/** A server to be found in the network. */
export interface Host {
  readonly host: string;
  readonly port: number;
}

/**
 * Looks the hosts up, and connects to each address that they have. Resolves with those that accepted a connection: while one does, what is
 * wrong with others is a warning.
 */
export async function checkPeers<H extends Host>(
  hosts: readonly H[],
  options: PeerCheckOptions,
): Promise<readonly H[]> {
  const tried = await Promise.all(hosts.map((host) => tryHost(host, options)));
  options.signal?.throwIfAborted();
  const reached = hosts.filter((_, at) => tried[at]?.good.length !== 0);
  for (const each of tried) report(each, reached.length > 0 ? "warning" : "failed", options);
  return reached;
}

/** What came of one host. */
interface Tried {
  readonly host: string;
  /** None of an address. */
  readonly addresses?: readonly string[];
  /** Why its name has no address. */
  readonly code?: string;
  readonly good: readonly Met[];
  readonly bad: readonly Met[];
}

async function tryHost({ host, port }: Host, options: PeerCheckOptions): Promise<Tried> {
  const what = `the address of ${host} (${boundOf(options)})`;
  const named = isIP(host) ? [host] : await options.waits.for(what, namesOf(host, options));
  if (typeof named === "string") return { host, code: named, good: [], bad: [] };
  const met = await Promise.all(named.slice(0, MAX_ADDRESSES).map((address) => meet({ host, port, address }, options)));
  const good = met.filter(({ code }) => code === undefined);
  const bad = met.filter(({ code }) => code !== undefined);
  return { host, good, bad, ...(named[0] !== host && { addresses: named }) };
}

function report({ host, addresses, code, good, bad }: Tried, status: "warning" | "failed", options: PeerCheckOptions) {
  const { findings, fixFor } = options;
  if (addresses) findings.ok("names", `${host} is ${addresses.join(", ")}`);
  if (code !== undefined) {
    const isLate = code === LATE;
    const fix = isLate ? "no name server answers: look at /etc/resolv.conf, and at the firewall" : fixFor(code);
    findings[status]("names", `${host} has no address (${code})`, { code, fix });
  }
  if (good.length > 0) {
    const where = good.map(({ at }) => at).join(", ");
    findings.ok("connection", `${where} ${good.length > 1 ? "accept" : "accepts"} connections`);
    checkCertificates(good, options);
  }
  for (const each of bad) reportAddress(each, good, status, options);
}

/** A name can have addresses of both families, at one of which nothing listens. */
function reportAddress(
  { at, family, code = "" }: Met,
  good: readonly Met[],
  status: "warning" | "failed",
  { findings, secure, fixFor, silence = SILENCE }: PeerCheckOptions,
): void {
  const name = secure && isOfTls(code) ? "tls" : "connection";
  const what = name === "tls" ? "refuses TLS with these settings" : "cannot be connected to";
  const isOtherFamily = good.length > 0 && !good.some((each) => each.family === family) && ABSENT.test(code);
  const fix = code === LATE ? silence : fixFor(code);
  const details = { code, ...(!isOtherFamily && { fix }) };
  findings[isOtherFamily ? "skipped" : status](name, `${at} ${what} (${code})`, details);
}

/** Look-ups under way, by name: one that hangs keeps one of libuv's few threads, and there is no second one beside it. */
const lookUps = new Map<string, Promise<readonly { readonly address: string }[]>>();

function lookUp(host: string): Promise<readonly { readonly address: string }[]> {
  const known = lookUps.get(host);
  if (known) return known;
  const asked = lookup(host, { all: true }).finally(() => lookUps.delete(host));
  lookUps.set(host, asked);
  return asked;
}

/** The addresses of a name, or the code of why there are none. */
async function namesOf(host: string, options: PeerCheckOptions): Promise<readonly string[] | string> {
  const { clock, timeoutMs, signal, codeOf } = options;
  try {
    const late = () => Object.assign(new Error("too late"), { code: LATE });
    const asked = raceTimeout(lookUp(host), clock, timeoutMs, late);
    return (await raceAbort(asked, signal)).map(({ address }) => address);
  } catch (error) {
    return codeOf(error);
  }
}

interface Met {
  /** `10.0.0.3:50051` */
  readonly at: string;
  readonly family: number;
  /** Why no connection could be made. */
  readonly code?: string;
  readonly certificateEnds?: number | undefined;
}

async function meet({ host, port, address }: Host & { address: string }, options: PeerCheckOptions): Promise<Met> {
  const { waits, clock, signal, timeoutMs, secure, tls, protocols, codeOf } = options;
  const family = isIP(address);
  const at = `${family === 6 ? `[${address}]` : address}:${port}`;
  const peer = { host: address, name: host, port, secure, tls, ...(protocols && { protocols }) };
  try {
    const made = meetPeer(peer, { clock, timeoutMs, signal });
    const what = `a connection to ${at}${secure ? " with TLS" : ""} (${boundOf(options)})`;
    const { certificateEnds } = await waits.for(what, made);
    return { at, family, certificateEnds };
  } catch (error) {
    return { at, family, code: codeOf(error) };
  }
}

function boundOf({ timeoutMs }: PeerCheckOptions): string {
  return `${timeoutMs / 1000} s at most`;
}

/** Whether something was there, with which no secure connection could be made. */
function isOfTls(code: string): boolean {
  return !/^(E(CONN|HOST|NET|TIMEDOUT|PIPE|MFILE|NFILE)|ENOTFOUND|EAI_)/.test(code);
}

function checkCertificates(met: readonly Met[], { findings, clock }: PeerCheckOptions): void {
  const ends = Math.min(...met.map(({ certificateEnds }) => certificateEnds ?? Number.POSITIVE_INFINITY));
  if (!Number.isFinite(ends)) return;
  const days = Math.floor((ends - clock.now()) / DAY_MS);
  const says = `TLS, with a certificate that is good for ${days === 1 ? "1 more day" : `${days} more days`}`;
  if (days >= SOON_DAYS) findings.ok("tls", says);
  else findings.warning("tls", says, { fix: "renew it; what renews it by itself has not" });
}
