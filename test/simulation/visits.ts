import type { IncomingMessage } from "node:http";
import { AuthError } from "../../src/auth/errors.js";
import { getAuth } from "../../src/index.js";
import { labelOfQuestion } from "./call-watch.js";
import { fakeRequest, serve } from "./fake-http.js";
import { INVALIDATION_MS, ROUNDING_MS, SHARED_LOOKUP_MS, TELLING_MS } from "./journal.js";
import { judgeCall, judgeVerified, judgeVisit } from "./judge.js";
import type { Route, SimulatedProcess } from "./process.js";
import type { Question, Request } from "./records.js";
import { budgets } from "./settings.js";
import type { Visit } from "./visit.js";
import type { World } from "./world.js";

/** Something that must come to an end by a certain time. */
interface Awaited {
  readonly by: SimulatedProcess;
  readonly label: string;
  dueAt: number;
}

/** Everybody who comes to the door, and what becomes of them. */
export class Visits {
  readonly #world: World;
  readonly #awaited = new Set<Awaited>();
  readonly #abortable = new Map<AbortController, Awaited>();
  readonly #underWay = new Map<IncomingMessage, { visit: Visit; awaited: Awaited }>();
  readonly #longestMs: number;
  #earliestDue = Number.POSITIVE_INFINITY;
  #count = 0;

  constructor(world: World) {
    this.#world = world;
    const looks = world.settings.log === "none" ? 1 : 2; // where the log may have lost something meanwhile, once more
    this.#longestMs = looks * SHARED_LOOKUP_MS + budgets(world.settings).deadlineMs + ROUNDING_MS;
  }

  /** Requests and calls that were made. */
  get count(): number {
    return this.#count;
  }

  get waiting(): number {
    return this.#awaited.size;
  }

  /** A request arrives with this in its Authorization header. */
  visit(
    by: SimulatedProcess,
    route: Route,
    token: string | undefined,
    authorization = token && `Bearer ${token}`,
  ): void {
    const question = this.#world.question(by.service, { operation: "VerifyToken", token: token ?? "" });
    const request = this.#request(by, question, route === "fresh", route);
    const awaited = this.#await(by, request.label);
    const localId = this.#world.random.pick(["l-1", "l-2", "l-9"]);
    const visit: Visit = { by, route, request, localId, token };
    const incoming = fakeRequest(authorization, { localId });
    this.#underWay.set(incoming, { visit, awaited });
    let isAnswered = false;
    serve(by.routes[route], incoming, (outcome) => {
      if (isAnswered) this.#world.chronicle.violate(by.name, `${request.label} was answered twice`);
      isAnswered = true;
      this.#underWay.delete(incoming);
      this.#awaited.delete(awaited);
      this.#world.chronicle.record(by.name, "answer", request.label, outcome.status, outcome.body);
      judgeVisit(this.#world, visit, outcome, authorization);
    });
  }

  /** Called between authentication and guard. */
  authenticated(incoming: IncomingMessage): void {
    const { visit, awaited } = this.#underWay.get(incoming)!;
    const { by, route, request } = visit;
    if (route === "optional" && visit.token === undefined) return;
    const auth = getAuth(incoming);
    visit.auth = auth;
    this.#world.chronicle.record(by.name, "let in", request.label, auth.source, auth.user.email);
    judgeVerified(this.#world, { by, request, when: this.#world.chronicle.moment(), source: auth.source }, auth);
    const { id: userId, organizationId } = auth.user;
    if (route === "localFresh") {
      const user = { userId, organizationId };
      const question = this.#world.question(by.service, { operation: "GetUserLocals", user });
      visit.lookup = this.#request(by, question, true, `${route} look-up`);
    } else if (route === "module") {
      const question = this.#world.question(by.service, { operation: "GetOrganization", organizationId });
      visit.lookup = this.#request(by, question, false, `${route} look-up`);
    }
    awaited.dueAt = this.#world.clock.time + this.#longestMs; // the guard's question has a deadline of its own
  }

  /** A call of the client itself. */
  call(by: SimulatedProcess, question: Question, options: { fresh: boolean; abortable: boolean }): void {
    const request = this.#request(by, question, options.fresh, "call");
    const awaited = this.#await(by, request.label);
    const controller = new AbortController();
    if (options.abortable) this.#abortable.set(controller, awaited);
    const call = { fresh: options.fresh, ...(options.abortable && { signal: controller.signal }) };
    const settled = () => {
      this.#awaited.delete(awaited);
      this.#abortable.delete(controller);
      return this.#world.chronicle.moment();
    };
    this.#ask(by, question, call).then(
      (answer) => judgeCall(this.#world, { by, request, when: settled() }, { answer }, controller.signal),
      (error) => judgeCall(this.#world, { by, request, when: settled() }, { error }, controller.signal),
    );
  }

  /** Somebody who waits goes away. */
  abortOne(): void {
    const { random, chronicle, clock } = this.#world;
    if (this.#abortable.size === 0) return;
    const [controller, awaited] = random.pick([...this.#abortable]);
    this.#abortable.delete(controller);
    chronicle.record(awaited.by.name, "abort", awaited.label);
    awaited.dueAt = clock.time;
    this.#earliestDue = clock.time;
    controller.abort(new Error("the caller went away"));
  }

  peek(by: SimulatedProcess, token: string): void {
    const question = this.#world.question(by.service, { operation: "VerifyToken", token });
    const request = this.#request(by, question, false, "peek");
    const known = by.client.peekToken(token);
    if (!known) return;
    judgeVerified(this.#world, { by, request, when: this.#world.chronicle.moment(), source: known.source }, known);
    if (known.source !== "process") this.#world.chronicle.violate(by.name, `peekToken() says ${known.source}`);
  }

  /** Invalidates a token, or a user. */
  invalidate(by: SimulatedProcess, { question, user }: { question?: Question; user?: Question["user"] }): void {
    const { chronicle, settings } = this.#world;
    const label = `invalidate ${question ? labelOfQuestion(question) : user?.userId}`;
    chronicle.record(by.name, label);
    const invalidation: (typeof by.journal.invalidations)[number] = { called: chronicle.moment(), question, user };
    by.journal.invalidations.push(invalidation);
    const tellingMs = settings.log === "none" ? 0 : TELLING_MS;
    const awaited = this.#await(by, label, INVALIDATION_MS + tellingMs + ROUNDING_MS);
    const done =
      question?.token === undefined ? by.client.invalidateUser(user!) : by.client.invalidateToken(question.token);
    done.then(
      () => {
        this.#awaited.delete(awaited);
        invalidation.resolved = chronicle.moment();
        chronicle.record(by.name, label, "done");
      },
      (error: unknown) => {
        this.#awaited.delete(awaited);
        const isExpected = error instanceof AuthError && error.code === "auth_unavailable";
        const canFail = settings.store !== "none" || by.journal.closed;
        if (!isExpected || !canFail) chronicle.violate(by.name, `${label} failed: ${error}`);
      },
    );
  }

  /** Nobody waits longer than the specification allows. */
  checkDue(): void {
    const { clock, chronicle } = this.#world;
    if (clock.time < this.#earliestDue) return;
    this.#earliestDue = Number.POSITIVE_INFINITY;
    for (const { by, label, dueAt } of this.#awaited) {
      if (clock.time >= dueAt) chronicle.violate(by.name, `${label} was not answered in time`);
      else this.#earliestDue = Math.min(this.#earliestDue, dueAt);
    }
  }

  #ask(by: SimulatedProcess, { operation, token, user, organizationId }: Question, call: object): Promise<unknown> {
    switch (operation) {
      case "VerifyToken":
        return by.client.verifyToken(token as string, call);
      case "GetUserLocals":
        return by.client.getUserLocals(user!, call);
      case "GetUserPermissions":
        return by.client.getUserPermissions(user!, call);
      case "GetOrganization":
        return by.client.getOrganization(organizationId as string, call);
    }
  }

  #request(by: SimulatedProcess, question: Question, fresh: boolean, way: string): Request {
    const began = this.#world.chronicle.moment();
    const label = `${way}${fresh ? " (fresh)" : ""} ${labelOfQuestion(question)} (${++this.#count})`;
    const request = { question, fresh, began, label };
    by.journal.addRequest(request);
    this.#world.chronicle.record(by.name, "request", label);
    return request;
  }

  #await(by: SimulatedProcess, label: string, ms = this.#longestMs): Awaited {
    const awaited = { by, label, dueAt: this.#world.clock.time + ms };
    this.#awaited.add(awaited);
    this.#earliestDue = Math.min(this.#earliestDue, awaited.dueAt);
    return awaited;
  }
}
