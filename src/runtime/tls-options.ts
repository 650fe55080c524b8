/** TLS for one upstream, or for Redis; all in PEM. Without it, Node's certificate authorities are trusted. */
export interface TlsOptions {
  /** The certificate authorities to trust instead of Node's. */
  ca?: string | Buffer | readonly (string | Buffer)[];
  /** Our client certificate (mutual TLS). */
  cert?: string | Buffer;
  /** The key of `cert`. */
  key?: string | Buffer;
}
