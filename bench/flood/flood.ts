import type { AuthClientOptions } from "portero";
import type { Context } from "../kit/bench.js";
import { Processes } from "../kit/process.js";
import type { AuthServiceOptions, AuthServiceProcess } from "../subjects/auth-service.js";
import type { FloodedClientProcess } from "../subjects/flooded-client.js";
import { FloodCourse } from "./course.js";
import { type Crowd, dueBy, letCome, visitOf } from "./crowds.js";
import type { Visit } from "./notes.js";

/** Who comes to a client that nobody came to before, and what happens to it. */
export interface FloodPlan {
  readonly title: string;
  readonly service: AuthServiceOptions;
  /** Without the URLs. */
  readonly client?: AuthClientOptions;
  /** Has REST, too. */
  readonly hasRest?: boolean;
  /** Users who are known when the calm begins. */
  readonly known?: number;
  /** Before the flood. Default: nobody, and it begins with the client. */
  readonly calm?: Readonly<Record<string, Crowd>>;
  readonly calmMs?: number;
  readonly crowds: Readonly<Record<string, Crowd>>;
  readonly floodMs: number;
  /** When the calm is over. What it resolves to is waited for at the end. */
  onFlood?(parts: FloodParts): unknown;
}

export interface FloodParts {
  readonly client: { serve(): Promise<string> };
  /** Stops the process of gRPC: its connections stay open, and nothing is answered on them. */
  pauseGrpc(): void;
}

/** To answer what is under way at the end, in milliseconds: more than the longest deadline. */
const END_MS = 6000;

/** Lets a flood come to a client in a process of its own, beside an auth service in another; this process is the crowds. */
export async function flood(plan: FloodPlan, { progress }: Context): Promise<FloodCourse> {
  progress(plan.title);
  await using processes = new Processes();
  const serviceModule = new URL("../subjects/auth-service.ts", import.meta.url);
  const launchService = () => processes.launch<AuthServiceProcess>(serviceModule, plan.service);
  const [grpc, rest] = await Promise.all([launchService(), plan.hasRest ? launchService() : undefined]);
  const options: AuthClientOptions = {
    ...plan.client,
    grpc: { url: (await grpc.call("urls")).grpc },
    ...(rest && { rest: { url: (await rest.call("urls")).rest } }),
  };
  const clientModule = new URL("../subjects/flooded-client.ts", import.meta.url);
  const client = await processes.launch<FloodedClientProcess>(clientModule, options);
  const send = (wave: readonly Visit[]) => client.call("send", wave);
  await client.call(
    "meet",
    Array.from({ length: plan.known ?? 0 }, (_, user) => visitOf(user)),
  );
  if (plan.calm) {
    await letCome(plan.calm, plan.calmMs ?? 0, send);
    await client.call("report", END_MS); // the last ones are answered
  }
  await client.call("begin");
  await grpc.call("takeTraffic");
  const besides = plan.onFlood?.({
    client: { serve: () => client.call("serve") },
    pauseGrpc: () => grpc.child.kill("SIGSTOP"),
  });
  await letCome(plan.crowds, plan.floodMs, send);
  await besides;
  const work = await (rest ?? grpc).call("takeTraffic");
  const report = await client.call("report", END_MS);
  return new FloodCourse(plan.title, plannedOf(plan), report, work);
}

function plannedOf({ crowds, floodMs }: FloodPlan): Record<string, number> {
  return Object.fromEntries(Object.entries(crowds).map(([name, crowd]) => [name, dueBy(crowd, floodMs)]));
}
