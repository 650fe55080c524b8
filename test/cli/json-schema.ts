/** As much of JSON Schema as the schemas of this package use. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly enum?: readonly unknown[];
  readonly minLength?: number;
  readonly minimum?: number;
  readonly pattern?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly description?: string;
}

const KNOWN = new Set(
  "$schema,$id,title,type,properties,propertyNames,additionalProperties,required,items,enum,minLength,minimum,pattern,$ref,$defs,description,default,examples".split(
    ",",
  ),
);

/** Where a value is not as the schema has it, by path. */
export function defectsOf(value: unknown, schema: JsonSchema, whole: JsonSchema = schema, path = "$"): string[] {
  const foreign = Object.keys(schema).filter((keyword) => !KNOWN.has(keyword));
  if (foreign.length > 0) throw new Error(`this reader knows nothing of ${foreign}`);
  if (schema.$ref !== undefined) {
    const named = whole.$defs?.[schema.$ref.replace("#/$defs/", "")];
    if (!named) throw new Error(`there is no ${schema.$ref}`);
    return defectsOf(value, named, whole, path);
  }
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  const types = [schema.type ?? []].flat();
  const isOfType = types.length === 0 || types.includes(type) || (types.includes("integer") && Number.isInteger(value));
  if (!isOfType) return [`${path} is ${type}`];
  if (schema.enum && !schema.enum.includes(value)) return [`${path} is none of the values`];
  if (typeof value === "string") {
    const { minLength = 0, pattern = "" } = schema;
    return value.length < minLength || !new RegExp(pattern).test(value) ? [`${path} is another text`] : [];
  }
  if (typeof value === "number")
    return value < (schema.minimum ?? Number.NEGATIVE_INFINITY) ? [`${path} is too small`] : [];
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.flatMap((item, at) => defectsOf(item, items, whole, `${path}[${at}]`)) : [];
  }
  return type === "object" ? ofObject(value as Record<string, unknown>, schema, whole, path) : [];
}

function ofObject(value: Record<string, unknown>, schema: JsonSchema, whole: JsonSchema, path: string): string[] {
  const { properties = {}, propertyNames = {}, required = [], additionalProperties = true } = schema;
  const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name} is missing`);
  const below = Object.entries(value).flatMap(([name, each]) => {
    const of = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (of === undefined || of === true) return [];
    return of === false ? [`${path}.${name} is not known`] : defectsOf(each, of, whole, `${path}.${name}`);
  });
  const named = Object.keys(value).flatMap((name) => defectsOf(name, propertyNames, whole, `${path}: a name`));
  return [...missing, ...named, ...below];
}
