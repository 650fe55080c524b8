import type { Channel } from "node:diagnostics_channel";
import { diag } from "@opentelemetry/api";

/** Hears the messages about one client, until it is stopped. What a listener throws is OpenTelemetry's own to tell, and ends nothing. */
export class Subscriber {
  readonly #client: object;
  readonly #ends: (() => void)[] = [];

  /** @param client as messages name it */
  constructor(client: object) {
    this.#client = client;
  }

  on<M extends { readonly client: object }>(channel: Channel, listener: (message: M) => void): void {
    this.#listen(channel, (message) => {
      if ((message as M).client === this.#client) listener(message as M);
    });
  }

  /** Also of messages that are about no client. */
  onAny<M>(channel: Channel, listener: (message: M) => void): void {
    this.#listen(channel, (message) => listener(message as M));
  }

  /** To be called when it is stopped. */
  until(end: () => void): void {
    this.#ends.push(end);
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) {
      try {
        end();
      } catch {
        diag.error("portero/otel: a meter or a tracer threw");
      }
    }
  }

  #listen(channel: Channel, listener: (message: unknown) => void): void {
    const guarded = (message: unknown) => {
      try {
        listener(message);
      } catch {
        diag.error("portero/otel: a meter or a tracer threw");
      }
    };
    channel.subscribe(guarded);
    this.until(() => void channel.unsubscribe(guarded));
  }
}
