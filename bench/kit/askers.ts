import type { AskOptions, AskSample } from "./ask.js";
import type { Process } from "./process.js";

/** A client in a process of its own. */
export type AskingProcess = { ask(options: AskOptions): Promise<AskSample> };

/** Launches a client of each kind; what they ask is counted. */
export async function launchAskers<K extends string>(
  kinds: readonly K[],
  launch: (kind: K) => Promise<Process<AskingProcess>>,
): Promise<{ clients: Record<K, AskingProcess["ask"]>; asked: () => number }> {
  let asked = 0;
  const clients = {} as Record<K, AskingProcess["ask"]>;
  const launched = await Promise.all(kinds.map(launch));
  for (const [at, kind] of kinds.entries()) {
    clients[kind] = async (options) => {
      const sample = await (launched[at] as Process<AskingProcess>).call("ask", options);
      asked += sample.asked;
      return sample;
    };
  }
  return { clients, asked: () => asked };
}
