/** A table of a Markdown page. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

export function listOf(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}
