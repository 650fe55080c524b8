/** Tells whether a promise is over, either way, as a test goes on. */
export function watchEnd(promise: Promise<unknown>): { readonly isOver: boolean } {
  const end = { isOver: false };
  const over = () => {
    end.isOver = true;
  };
  promise.then(over, over);
  return end;
}
