// What exactly is wrong with a value that has no JSON form, or with bytes that are no JSON. Only errors pay for it.

/** How deep a value is searched for what JSON cannot write. */
const DEEPEST = 500;

/** What keeps `value` from having a JSON form, with where it is; `undefined` when it was a `toJSON` or a getter that threw. */
export function faultOfValue(value: unknown): string | undefined {
  try {
    return search(value, "", []);
  } catch {
    // A getter of the value throws; what JSON.stringify threw says so.
    return undefined;
  }
}

function search(value: unknown, path: string, above: object[]): string | undefined {
  const name = path === "" ? "it" : path;
  if (typeof value === "bigint") return `${name} is a bigint, ${value}n; send it as a string`;
  if (typeof value !== "object" || value === null) return undefined;
  if (above.includes(value)) return `${name} contains itself`;
  if (above.length >= DEEPEST) return `it is nested deeper than ${DEEPEST} levels`;
  above.push(value);
  for (const [key, item] of Object.entries(value)) {
    const step = Array.isArray(value) ? `[${key}]` : path === "" ? key : `.${key}`;
    const found = search(item, path + step, above);
    if (found !== undefined) return found;
  }
  above.pop();
  return undefined;
}

/** Where the first byte is that is no UTF-8. */
export function faultOfUtf8(bytes: Uint8Array): number {
  // A beginning is good until it reaches the bad byte, and never after: so halving finds it.
  let good = 0;
  let bad = bytes.length;
  while (good < bad) {
    const middle = (good + bad + 1) >>> 1;
    try {
      // As a stream, so that a character that is cut in two is no fault.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle - 1;
    }
  }
  return good;
}

const SPACE = " \t\n\r";
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** What may come next. */
type Next = "value" | "valueOrEnd" | "key" | "keyOrEnd" | "colon" | "after";

/** Where text stops being JSON, as an index: of its first wrong character, or its length when something is missing. */
export function faultOfJson(text: string): number {
  const open: ("{" | "[")[] = [];
  let next = "value" as Next;
  for (let at = 0;;) {
    while (at < text.length && SPACE.includes(text[at]!)) at++;
    const char = text[at];
    if (char === undefined) return at;
    const inside = open.at(-1);
    let end = at + 1;
    if (next === "colon") {
      if (char !== ":") return at;
      next = "value";
    } else if (
      char === (inside === "{" ? "}" : "]") && inside !== undefined &&
      (next === "after" || next === "valueOrEnd" || next === "keyOrEnd")
    ) {
      open.pop();
      next = "after";
    } else if (next === "after") {
      if (char !== "," || inside === undefined) return at;
      next = inside === "{" ? "key" : "value";
    } else if (char === '"') {
      end = afterString(text, at);
      if (end < 0) return ~end;
      next = next === "key" || next === "keyOrEnd" ? "colon" : "after";
    } else if (next === "key" || next === "keyOrEnd") {
      return at;
    } else if (char === "{" || char === "[") {
      open.push(char);
      next = char === "{" ? "keyOrEnd" : "valueOrEnd";
    } else {
      end = after(SCALAR, text, at);
      if (end < 0) return at;
      next = "after";
    }
    at = end;
  }
}

/** The index after the string that begins at `at`, or, as its complement, that of what is wrong in it. */
function afterString(text: string, at: number): number {
  for (let i = at + 1; i < text.length;) {
    const char = text[i]!;
    if (char === '"') return i + 1;
    if (char < " ") return ~i;
    const end = char === "\\" ? after(ESCAPE, text, i) : i + 1;
    if (end < 0) return ~i;
    i = end;
  }
  return ~text.length;
}

/** The index after a match at `at`, or -1. */
function after(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}
