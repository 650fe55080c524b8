import { setImmediate as turn } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { type VerifyTokenRequestSchema, VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";

const REFUSAL = new ConnectError("no such token", Code.Unauthenticated);

/** An auth service in this process: knows everybody whose token begins with `user-`, refuses the others, a turn of the event loop later. */
export class FloodUpstream {
  /** Questions about good tokens, and about others. */
  readonly calls = { users: 0, garbage: 0 };
  /** Most questions at the same time. */
  peak = 0;
  #active = 0;

  readonly transport = {
    unary: (method: { parent: unknown }, _signal: unknown, _timeoutMs: unknown, _header: unknown, message: unknown) =>
      this.#answer(method, message as MessageInitShape<typeof VerifyTokenRequestSchema>),
    stream: () => Promise.reject(REFUSAL),
  } as unknown as Transport;

  async #answer(method: { parent: unknown }, { token = "" }: MessageInitShape<typeof VerifyTokenRequestSchema>) {
    const isKnown = token.startsWith("user-");
    this.calls[isKnown ? "users" : "garbage"]++;
    this.peak = Math.max(this.peak, ++this.#active);
    await turn();
    this.#active--;
    if (!isKnown) throw REFUSAL;
    const message = create(VerifyTokenResponseSchema, { userId: token, isActive: true, permissions: ["read"] });
    const empty = new Headers();
    return { stream: false, service: method.parent, method, header: empty, message, trailer: empty };
  }
}
