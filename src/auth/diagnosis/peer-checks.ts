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
}

/** A server to be found in the network. */
export interface Host {
  readonly host: string;
  readonly port: number;
}

/**
 * Looks the hosts up, and connects to each address that they have. Resolves with how many accepted a connection.
 */
export async function checkPeers(hosts: readonly Host[], options: PeerCheckOptions): Promise<number> {
  const reached = await Promise.all(hosts.map((host) => checkHost(host, options)));
  return reached.reduce((sum, count) => sum + count, 0);
}

async function checkHost({ host, port }: Host, options: PeerCheckOptions): Promise<number> {
  const { findings, waits, signal } = options;
  const addresses = isIP(host) ? [host] : await waits.for(`the address of ${host}`, namesOf(host, options));
  signal?.throwIfAborted();
  const tried = addresses.slice(0, MAX_ADDRESSES);
  const met = await Promise.all(tried.map((address) => meet({ host, port, address }, options)));
  signal?.throwIfAborted();
  const good = met.filter(({ code }) => code === undefined);
  if (good.length > 0) {
    const where = good.map(({ at }) => at).join(", ");
    findings.ok("connection", `${where} ${good.length > 1 ? "accept" : "accepts"} connections`);
    checkCertificates(good, options);
  }
  for (const each of met) if (each.code !== undefined) report(each, each.code, good, options);
  return good.length;
}

/** Where one address of a host serves, another one is no more than a reason to look: the name has both families, and one listens. */
function report({ at, family }: Met, code: string, good: readonly Met[], options: PeerCheckOptions): void {
  const { findings, secure, fixFor } = options;
  const name = secure && isOfTls(code) ? "tls" : "connection";
  const what = name === "tls" ? "refuses TLS with these settings" : "cannot be connected to";
  const isOtherFamily = good.length > 0 && !good.some((each) => each.family === family) && ABSENT.test(code);
  const status = isOtherFamily ? "skipped" : good.length > 0 ? "warning" : "failed";
  const fix = code === LATE ? "it says nothing: does a firewall swallow it, is it another port's?" : fixFor(code);
  findings[status](name, `${at} ${what} (${code})`, { code, fix: isOtherFamily ? undefined : fix });
}

async function namesOf(host: string, options: PeerCheckOptions): Promise<readonly string[]> {
  const { findings, clock, timeoutMs, signal, codeOf, fixFor } = options;
  try {
    const late = () => Object.assign(new Error("too late"), { code: LATE });
    const asked = raceTimeout(lookup(host, { all: true }), clock, timeoutMs, late);
    const found = (await raceAbort(asked, signal)).map(({ address }) => address);
    findings.ok("names", `${host} is ${found.join(", ")}`);
    return found;
  } catch (error) {
    signal?.throwIfAborted();
    const code = codeOf(error);
    const isLate = code === LATE;
    const fix = isLate ? "no name server answers: look at /etc/resolv.conf, and at the firewall" : fixFor(code);
    findings.failed("names", `${host} has no address (${code})`, { code, fix });
    return [];
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
    const { certificateEnds } = await waits.for(`a connection to ${at}${secure ? " with TLS" : ""}`, made);
    return { at, family, certificateEnds };
  } catch (error) {
    return { at, family, code: codeOf(error) };
  }
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
