const checked = new WeakSet<object>();

/** Marks headers that can be sent as they are: names in lower case, all valid, and none that a protocol has for itself. */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checked.add(headers);
  return headers;
}

/** To make a `Headers` of them, and an object of that, takes longer than to make the span that they tell of. */
export function isChecked(headers: unknown): headers is Readonly<Record<string, string>> {
  return typeof headers === "object" && headers !== null && checked.has(headers);
}
