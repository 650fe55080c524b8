export type KoaNext = () => Promise<unknown>;

/** A promise in any case, as from an async function; the one of `next` where it has one, as it has in Koa. */
export function goOn(next: KoaNext): Promise<unknown> {
  try {
    return Promise.resolve(next());
  } catch (error) {
    return Promise.reject(error);
  }
}
