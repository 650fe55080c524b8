import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { whenAborted } from "./abort.js";
import type { Clock } from "./clock.js";
import { setPatientTimeout } from "./patient-timeout.js";
import { currentTls, type TlsSource } from "./tls-options.js";

/** Where something should listen. */
export interface PeerAddress {
  /** The name or the IP address to connect to, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** For a connection with TLS. */
  readonly tls?: TlsSource | undefined;
  /** The name that its certificate is held against. Default: `host`. */
  readonly name?: string;
  /** What is offered as ALPN. Default: nothing. */
  readonly protocols?: readonly string[];
}

export interface PeerOptions {
  readonly clock: Clock;
  /** To accept the connection, and for the handshake, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What accepted a connection. */
export interface Peer {
  /** Of its certificate: wall time, in milliseconds. Absent without TLS. */
  readonly certificateEnds?: number;
}

/**
 * Connects, and ends the connection as soon as it stands: with TLS, when the certificate was accepted. Rejects with the error of Node, with
 * one whose code is ETIMEDOUT, or with a `TlsSettingsError`.
 */
export async function meetPeer(at: PeerAddress, { clock, timeoutMs, signal }: PeerOptions): Promise<Peer> {
  const { host, port, secure, tls, name = host, protocols } = at;
  signal?.throwIfAborted();
  const settings = secure ? currentTls(tls) : undefined;
  return new Promise((resolve, reject) => {
    const socket: Socket | TLSSocket = secure
      ? connectTls({
          ...(settings as object),
          host,
          port,
          ...(protocols && { ALPNProtocols: [...protocols] }),
          ...(isIP(name) ? {} : { servername: name }),
        })
      : connectTcp({ host, port });
    const end = () => {
      timer.clear();
      letGo?.();
      socket.destroy();
    };
    const fail = (error: unknown) => {
      end();
      reject(error);
    };
    const late = () => fail(Object.assign(new Error("too late"), { code: "ETIMEDOUT" }));
    const timer = setPatientTimeout(clock, late, timeoutMs);
    const letGo = signal && whenAborted(signal, () => fail(signal.reason));
    socket.on("error", fail);
    socket.once(secure ? "secureConnect" : "connect", () => {
      const ends = secure ? Date.parse((socket as TLSSocket).getPeerCertificate().valid_to) : Number.NaN;
      end();
      resolve(Number.isNaN(ends) ? {} : { certificateEnds: ends });
    });
  });
}
