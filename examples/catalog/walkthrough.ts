/** What can be seen of a step. */
export interface Observation {
  /** HTTP status of the answer. */
  readonly status: number;
  /** Portero's code, on an answer that says no. */
  readonly code?: string;
  /** Where the catalog knew the user from. */
  readonly source?: string;
  /** Whether the answer says when to come back. */
  readonly retryAfter?: boolean;
  /** Questions that reached each side of the auth service. */
  readonly grpcCalls?: number;
  readonly restCalls?: number;
  /** Why REST was asked. */
  readonly fallback?: string;
  readonly grpcBreaker?: string;
  readonly restBreaker?: string;
}

/** What a step must show: of each part, the value, or one of several. */
export type Expectation = { readonly [K in keyof Observation]: Observation[K] | readonly Observation[K][] };

export interface Step {
  /** What happens, in plain words. */
  readonly title: string;
  readonly act: () => Promise<Observation>;
  /** What is not named may be anything. */
  readonly expect: Expectation;
}

export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const SOURCES: Readonly<Record<string, string>> = {
  process: "process cache",
  shared: "shared cache",
  grpc: "gRPC",
  rest: "REST",
};
const COLOURS = { bold: 1, faint: 2, red: 31, green: 32 } as const;
const MARGIN = " ".repeat(14);

/** Runs steps one by one, says what happened, and checks it. */
export class Walkthrough {
  readonly #output: Output;
  readonly #coloured: boolean;
  readonly #logged: string[] = [];
  #allClosed = true;
  #steps = 0;
  #failed = 0;

  constructor(output: Output = process.stdout, env: Readonly<Record<string, string | undefined>> = process.env) {
    this.#output = output;
    this.#coloured = output.isTTY === true && !env.NO_COLOR;
  }

  chapter(title: string): void {
    this.#line(`\n${this.#paint("bold", title)}`);
  }

  /** A sentence, and a list of names and what they stand for. */
  say(text: string, list: readonly (readonly [name: string, meaning: string])[] = []): void {
    this.#line(text);
    for (const [name, meaning] of list) this.#line(`  ${name.padEnd(MARGIN.length - 2)}${meaning}`);
  }

  /** Keeps a line of a log, to be shown with the step that caused it. */
  readonly log = (line: string): void => {
    this.#logged.push(`log: ${line}`);
  };

  async step({ title, act, expect }: Step): Promise<void> {
    const number = String(++this.#steps).padStart(2);
    const { seen, differences } = await look(act, expect);
    const ok = differences.length === 0;
    if (!ok) this.#failed++;
    this.#line(`  ${number}  ${ok ? this.#paint("green", "ok    ") : this.#paint("red", "FAILED")}  ${title}`);
    const details = [seen && describe(seen), seen && this.#breakersOf(seen), ...this.#logged.splice(0)];
    for (const detail of details) if (detail) this.#line(this.#paint("faint", MARGIN + detail));
    for (const difference of differences) this.#line(this.#paint("red", MARGIN + difference));
  }

  /** Says how it went. `true`: every step went as expected. */
  finish(): boolean {
    const ok = this.#failed === 0;
    const verdict = ok ? "all as expected" : `${this.#failed} not as expected`;
    this.#line(`\n${this.#paint(ok ? "green" : "red", `${this.#steps} steps, ${verdict}`)}`);
    return ok;
  }

  /** The breakers, while they are worth a line: until they are seen closed again. */
  #breakersOf({ grpcBreaker = "closed", restBreaker = "closed" }: Observation): string | undefined {
    const allClosed = grpcBreaker === "closed" && restBreaker === "closed";
    const isWorthIt = !allClosed || !this.#allClosed;
    this.#allClosed = allClosed;
    return isWorthIt ? `breakers: gRPC ${grpcBreaker}, REST ${restBreaker}` : undefined;
  }

  #line(text: string): void {
    this.#output.write(`${text}\n`);
  }

  #paint(colour: keyof typeof COLOURS, text: string): string {
    return this.#coloured ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
  }
}

/** Does what a step does, and compares. */
async function look(
  act: Step["act"],
  expect: Expectation,
): Promise<{ seen?: Observation; differences: readonly string[] }> {
  try {
    const seen = await act();
    return { seen, differences: differencesBetween(expect, seen) };
  } catch (error) {
    return { differences: [`it could not be done: ${error}`] };
  }
}

function differencesBetween(expected: Expectation, seen: Observation): string[] {
  return (Object.keys(expected) as (keyof Observation)[])
    .map((part) => ({ part, allowed: [expected[part]].flat(), got: seen[part] }))
    .filter(({ allowed, got }) => !allowed.includes(got))
    .map(({ part, allowed, got }) => `${part}: expected ${allowed.map(show).join(" or ")}, got ${show(got)}`);
}

function show(value: unknown): string {
  return String(value ?? "none");
}

/** One line, in columns. */
function describe({ status, code, source, retryAfter, grpcCalls = 0, restCalls = 0 }: Observation): string {
  const answer = [status, code, retryAfter && "+ Retry-After"].filter(Boolean).join(" ");
  const from = source === undefined ? "" : `user from: ${SOURCES[source] ?? source}`;
  const calls = [grpcCalls > 0 && `gRPC ${grpcCalls}`, restCalls > 0 && `REST ${restCalls}`].filter(Boolean).join(", ");
  return `${answer.padEnd(37)}${from.padEnd(27)}upstream calls: ${calls || "none"}`;
}
