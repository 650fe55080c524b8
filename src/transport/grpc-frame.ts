import { Code, ConnectError } from "@connectrpc/connect";

/** The head of a message on the wire: a byte of flags, and its length in four. */
const HEAD_BYTES = 5;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** One message as it goes over the wire, not compressed. */
export function frameOf(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/**
 * Reads the one message of an answer as its bytes come in. It keeps no more of them than the message has: small pieces of large buffers
 * would keep all of these in memory.
 */
export class FrameReader {
  readonly #maxBytes: number;
  #head = NO_BYTES;
  #message: Uint8Array | undefined;
  #filled = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws when this cannot become one message of at most `maxBytes`, as soon as that is certain */
  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#message) return this.#fill(this.#message, chunk);
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    if (this.#head.length < HEAD_BYTES) return;
    const size = this.#sizeIn(this.#head);
    const body = this.#head.subarray(HEAD_BYTES);
    this.#head = NO_BYTES;
    if (body.length === size) {
      this.#message = body; // all of it came at once
      this.#filled = size;
    } else {
      this.#message = new Uint8Array(size);
      this.#fill(this.#message, body);
    }
  }

  /** The message; `undefined` when there is none. Throws when it was cut short. */
  end(): Uint8Array | undefined {
    if (this.#filled < (this.#message?.length ?? 0) || this.#head.length > 0) {
      throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
    }
    return this.#message;
  }

  #fill(message: Uint8Array, chunk: Buffer): void {
    if (this.#filled + chunk.length > message.length) {
      throw new ConnectError("protocol error: received extra output message for unary method", Code.Unimplemented);
    }
    message.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  #sizeIn(head: Buffer): number {
    const size = head.readUInt32BE(1);
    if (size > this.#maxBytes) {
      throw new ConnectError(
        `message size ${size} is larger than the ${this.#maxBytes} allowed`,
        Code.ResourceExhausted,
      );
    }
    // No other flag is defined, and no compression was offered.
    if (head[0] !== 0) throw new ConnectError("protocol error: received an envelope with flags", Code.Internal);
    return size;
  }
}
