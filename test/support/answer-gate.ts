import type { Interceptor } from "@connectrpc/connect";

/** Holds back what the gRPC side has said, call by call, so that answers can land in another order than they were given. */
export class AnswerGate {
  #closed = false;
  #passes: (() => void)[] = [];

  readonly interceptor: Interceptor = (next) => async (request) => {
    const holds = this.#closed;
    try {
      return await next(request);
    } finally {
      if (holds) await new Promise<void>((resolve) => this.#passes.push(resolve));
    }
  };

  /** Answers that wait. */
  get held(): number {
    return this.#passes.length;
  }

  /** Calls that begin from now on are held back when they are answered. */
  close(): void {
    this.#closed = true;
  }

  /** Calls that begin from now on pass; those that are held stay so. */
  open(): void {
    this.#closed = false;
  }

  /** Lets go of what is held. */
  release(): void {
    for (const pass of this.#passes.splice(0)) pass();
  }
}
