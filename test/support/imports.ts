import { parseSync } from "@swc/core";

/** One `import` or `export … from`, static or dynamic. */
export interface Import {
  readonly specifier: string;
  /** Only types: nothing is left of it at run time. */
  readonly typeOnly: boolean;
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Everything that a module of TypeScript imports, read from its syntax tree: comments, strings and regular expressions are none. */
export function importsOf(source: string): Import[] {
  return nodesOf(parseSync(source, { syntax: "typescript" })).flatMap(toImport);
}

/** What the module's statements at the top are, by kind: `"ImportDeclaration"`, `"ExportAllDeclaration"`, … */
export function statementsOf(source: string): Node[] {
  return parseSync(source, { syntax: "typescript" }).body as unknown as Node[];
}

function* walk(value: unknown): Generator<Node> {
  if (typeof value !== "object" || value === null) return;
  if ("type" in value && typeof value.type === "string") yield value as Node;
  for (const child of Object.values(value)) yield* walk(child);
}

function nodesOf(tree: unknown): Node[] {
  return [...walk(tree)];
}

function toImport(node: Node): Import[] {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
      return imported(node.source, node.typeOnly === true || namesOnlyTypes(node.specifiers));
    case "TsImportType":
      return imported(node.argument, true);
    case "TsExternalModuleReference":
      return imported(node.expression, false);
    case "CallExpression": {
      const [first] = node.arguments as { expression: unknown }[];
      return (node.callee as Node).type === "Import" ? imported(first?.expression, false) : [];
    }
    default:
      return [];
  }
}

function imported(source: unknown, typeOnly: boolean): Import[] {
  const specifier = (source as { value?: unknown } | null | undefined)?.value;
  return typeof specifier === "string" ? [{ specifier, typeOnly }] : [];
}

/** `import { type A, type B } from …`; an import without names is there for its effects. */
function namesOnlyTypes(specifiers: unknown): boolean {
  const names = (specifiers ?? []) as { isTypeOnly?: boolean }[];
  return names.length > 0 && names.every(({ isTypeOnly }) => isTypeOnly === true);
}
