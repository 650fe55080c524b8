import { lookup as systemLookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock, Timer } from "../runtime/clock.js";
import { drawLife } from "./connection-life.js";

/** Looked up again after so long, more or less by up to a fifth, in milliseconds: a new address has its share within 35 s. */
const REFRESH_MS = 29_000;
/** Never sooner after the look-up before, in milliseconds. */
const LEAST_INTERVAL_MS = 1000;
/** A look-up that takes longer is not waited for, in milliseconds. */
const PATIENCE_MS = 5000;
/** An address leaves when so many answers in a row lack it: name servers tell a part now and then. */
const ANSWERS_WITHOUT = 2;

/** Resolves to every address of a host, as `dns.lookup` does with `all: true`. */
export type Lookup = (hostname: string) => Promise<readonly { readonly address: string }[]>;

/** Where a server of the service listens. */
export interface Address {
  /** Names it, also to itself: SNI, `:authority`, the name that its certificate is held against. */
  readonly url: URL;
  /** An IP address, without brackets. */
  readonly host: string;
  /** `10.0.0.7:50051`, to be shown. */
  readonly name: string;
}

export interface AddressesOptions {
  readonly urls: readonly string[];
  /** Default: the machine's. */
  readonly lookup?: Lookup | undefined;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Told when {@link Addresses.current} has changed. */
  readonly onChange: () => void;
}

/** One URL, and the addresses of its host. */
interface Host {
  readonly url: URL;
  readonly hostname: string;
  /** How many answers in a row have lacked it, by address. */
  readonly missed: Map<string, number>;
  /** libuv runs few look-ups at once, and one that hangs keeps its thread: there is no second one beside it. */
  isAsked: boolean;
}

/**
 * The addresses of the service, from the first call on. Hosts are looked up in turn, IP addresses never. What a name server says late,
 * partly or not at all changes little: a failed look-up changes nothing, and an address leaves when two answers in a row lack it.
 */
export class Addresses {
  readonly #options: AddressesOptions;
  readonly #lookup: Lookup;
  readonly #hosts: readonly Host[];
  readonly #names: readonly Host[];
  #current: readonly Address[] = [];
  #failure: unknown;
  #round: Promise<void> | undefined;
  #wantsAnother = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #next: Timer | undefined;
  #isClosed = false;
  /** Of a look-up that hangs: it is not waited for any longer. */
  #giveUp: (() => void) | undefined;
  /** Called at the first address, and when a round has ended without one. */
  #waiting: (() => void)[] = [];

  constructor(options: AddressesOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? ((hostname) => systemLookup(hostname, { all: true }));
    this.#hosts = options.urls.map(hostOf);
    this.#names = this.#hosts.filter(({ hostname }) => isIP(hostname) === 0);
    for (const host of this.#hosts) if (!this.#names.includes(host)) host.missed.set(host.hostname, 0);
    this.#current = this.#collect();
  }

  /** In the order of the URLs; empty before the first look-up has brought one. */
  get current(): readonly Address[] {
    return this.#current;
  }

  /** Whether there are names to look up. */
  get canChange(): boolean {
    return this.#names.length > 0;
  }

  /** To be told of each call: the first one begins to look up names. */
  begin(): void {
    if (this.#askedAt === Number.NEGATIVE_INFINITY && this.canChange) this.#look();
  }

  /** Resolves when there is an address; rejects with what the look-up failed with. */
  async first(): Promise<void> {
    if (this.#current.length > 0) return;
    if (!this.#round && this.#sinceAskedMs >= LEAST_INTERVAL_MS) this.#look();
    if (this.#round) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#current.length === 0) throw this.#failure ?? noAnswer();
  }

  /** To be told of the end of a connection: the next look-up is made at once, but for one in a second at most. */
  refresh(): void {
    if (!this.canChange || this.#isClosed || this.#askedAt === Number.NEGATIVE_INFINITY) return;
    if (this.#round) this.#wantsAnother = true;
    else this.#schedule(Math.max(0, LEAST_INTERVAL_MS - this.#sinceAskedMs));
  }

  close(): void {
    this.#isClosed = true;
    this.#next?.clear();
    this.#giveUp?.();
    this.#wake();
  }

  get #sinceAskedMs(): number {
    return this.#options.clock.monotonic() - this.#askedAt;
  }

  #schedule(ms: number): void {
    this.#next?.clear();
    this.#next = this.#options.clock.setTimeout(() => this.#look(), ms, { background: true });
  }

  #look(): void {
    if (this.#isClosed || this.#round) return;
    this.#next?.clear();
    this.#askedAt = this.#options.clock.monotonic();
    this.#wantsAnother = false;
    this.#round = this.#askAll().then(() => {
      this.#round = undefined;
      this.#wake();
      if (this.#isClosed) return;
      this.#schedule(drawLife(this.#options.random, REFRESH_MS));
      if (this.#wantsAnother) this.refresh();
    });
  }

  async #askAll(): Promise<void> {
    for (const host of this.#names) {
      if (this.#isClosed) return;
      if (!host.isAsked) await this.#patient(this.#ask(host));
    }
  }

  #patient(asked: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(resolve, PATIENCE_MS, { background: true });
      this.#giveUp = () => {
        timer.clear();
        resolve();
      };
      asked.then(this.#giveUp);
    });
  }

  async #ask(host: Host): Promise<void> {
    host.isAsked = true;
    try {
      const found = await this.#lookup(host.hostname);
      if (found.length === 0) throw noAnswer();
      const addresses = found.map(({ address }) => address);
      for (const known of host.missed.keys()) if (!addresses.includes(known)) miss(host.missed, known);
      for (const address of addresses) host.missed.set(address, 0);
      this.#update();
    } catch (error) {
      this.#failure = error;
    } finally {
      host.isAsked = false;
    }
  }

  #update(): void {
    const next = this.#collect();
    const isSame = next.length === this.#current.length && next.every((each, at) => isEqual(each, this.#current[at]));
    if (isSame || this.#isClosed) return;
    this.#current = next;
    this.#options.onChange();
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** What two URLs lead to is one address for each: they name it differently. */
  #collect(): Address[] {
    const all = this.#hosts.flatMap(({ url, missed }) => [...missed.keys()].map((host) => addressOf(url, host)));
    return all.filter((address, at) => all.findIndex((other) => isEqual(address, other)) === at);
  }
}

export function isEqual(one: Address, other: Address | undefined): boolean {
  return one.host === other?.host && one.url.href === other.url.href;
}

function addressOf(url: URL, host: string): Address {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return { url, host, name: `${isIP(host) === 6 ? `[${host}]` : host}:${port}` };
}

function hostOf(text: string): Host {
  const url = new URL(text);
  return { url, hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"), missed: new Map(), isAsked: false };
}

function miss(missed: Map<string, number>, address: string): void {
  const times = (missed.get(address) ?? 0) + 1;
  if (times < ANSWERS_WITHOUT) missed.set(address, times);
  else missed.delete(address);
}

/** As Node says it of a name server that cannot be reached. */
function noAnswer(): Error {
  return Object.assign(new Error("the name could not be looked up"), { code: "EAI_AGAIN" });
}
