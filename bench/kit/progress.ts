/** One line of progress: overwritten on a terminal, and elsewhere repeated now and then, so that a log shows life. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr) {
  const EVERY_MS = 10_000;
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    show(text: string): void {
      if (stream.isTTY) stream.write(`\r\x1b[K   ${text}`);
      else if (performance.now() - shownAt >= EVERY_MS) {
        shownAt = performance.now();
        stream.write(`   ${text}\n`);
      }
    },
    clear(): void {
      if (stream.isTTY) stream.write("\r\x1b[K");
    },
  };
}
