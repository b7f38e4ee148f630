import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import { SerializationError } from "../../src/domain/error.ts";

const json = createJsonCodec();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

interface EncodeVectors {
  readonly encode: readonly { name: string; model: string; json: string }[];
}
interface DecodeVector {
  readonly name: string;
  readonly hex: string;
  readonly accept: boolean;
}

function vectors<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../interop/wire/${file}`, import.meta.url), "utf8")) as T;
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function error(action: () => unknown): SerializationError {
  try {
    action();
  } catch (thrown) {
    ok(thrown instanceof SerializationError, String(thrown));
    return thrown;
  }
  throw new Error("nothing was thrown");
}

/** Numbers that JavaScript writes in another form than Python, or cannot hold. Strings are left alone. */
function rewritten(text: string): string {
  return text.replace(
    /"(?:[^"\\]+|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g,
    (found) => found.startsWith('"') ? found : JSON.stringify(Number(found)),
  );
}

test("accepts() takes everything but the first bytes of MessagePack", () => {
  for (let byte = 0; byte < 256; byte++) {
    const messagePack = byte >= 0x80 && byte <= 0x9f || byte >= 0xc0 && byte <= 0xdf;
    strictEqual(json.accepts(byte), !messagePack);
  }
});

test("undefined is null at the root, and what has no JSON form is dropped elsewhere", () => {
  strictEqual(json.encode(undefined), "null");
  strictEqual(json.encode({ toJSON: () => undefined }), "null");
  strictEqual(json.encode({ a: undefined, b: [undefined], c: () => {} }), '{"b":[null]}');
});

test("a function or a symbol at the root is refused, for nothing of it would be written", () => {
  ok(error(() => json.encode(() => {})).message.includes("it is a function"));
  ok(error(() => json.encode(Symbol("a"))).message.includes("it is a symbol"));
  strictEqual(json.encode(Object.assign(() => {}, { toJSON: () => 5 })), "5");
});

test("encode() names what has no JSON form", () => {
  const cycle: Record<string, unknown> = { list: [] };
  (cycle.list as unknown[]).push(cycle);
  ok(error(() => json.encode({ order: cycle })).message.includes("order.list[0] contains itself"));
  ok(error(() => json.encode({ a: [{ id: 5n }] })).message.includes("a[0].id is a bigint, 5n"));
  ok(error(() => json.encode(5n)).message.includes("it is a bigint"));
  const throwing = {
    toJSON() {
      throw new Error("not now");
    },
  };
  ok(error(() => json.encode(throwing)).message.includes("not now"));
  const unreadable = {
    get a(): never {
      throw new Error("no entry");
    },
  };
  ok(error(() => json.encode(unreadable)).message.includes("no entry"));
});

test("encode() refuses a value that is too deep, without running out of stack itself", () => {
  let deep: unknown = 0;
  for (let i = 0; i < 20_000; i++) deep = [deep];
  // JavaScriptCore writes even this, so only the kind of error is at stake.
  try {
    ok(typeof json.encode(deep) === "string");
  } catch (thrown) {
    ok(thrown instanceof SerializationError);
  }
});

test("decode() reads a view into a larger buffer", () => {
  deepStrictEqual(json.decode(utf8('xx{"a":1}yy').subarray(2, 9)), { a: 1 });
});

test("decode() takes Python's NaN and infinities as null, and leaves strings alone", () => {
  deepStrictEqual(
    json.decode(utf8(String.raw`{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN, \"Infinity","NaN":1}`)),
    { a: null, b: [null, null], c: 'NaN, "Infinity', NaN: 1 },
  );
  strictEqual(json.decode(utf8("NaN")), null);
});

test("decode() does not take such tokens where no value may be", () => {
  for (const text of ["{NaN:1}", "NaNa", "[1NaN]", "--Infinity", '["NaN]', "+Infinity"]) {
    throws(() => json.decode(utf8(text)), SerializationError);
  }
});

test("a long string beside NaN is no trouble", () => {
  const text = "x\\n".repeat(500_000);
  strictEqual((json.decode(utf8(`["${text}",NaN]`)) as string[])[0]?.length, 1_000_000);
});

test("decode() says where malformed text goes wrong, alike on every engine", () => {
  const cases: readonly (readonly [text: string, position: number])[] = [
    ["", 0],
    ["{", 1],
    ["{a:1}", 1],
    ['{"a" 1}', 5],
    ['{"a":1,}', 7],
    ['{"a":1]', 6],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["[1}", 2],
    ["1 2", 2],
    ["nul", 0],
    ["01", 1],
    ["-", 0],
    ["[1.]", 2],
    ['"abc', 4],
    ['"a\\x"', 2],
    ['"a\nb"', 2],
    ["]", 0],
    ['{"é":x}', 6],
    ['{"a":[1,{"b":tru}]}', 13],
    ["[1,2", 4],
    ["{,}", 1],
    ["[,]", 1],
    ['[""a]', 3],
  ];
  for (const [text, position] of cases) {
    const { message, details } = error(() => json.decode(utf8(text)));
    strictEqual(details.position, position, `${text}: ${message}`);
    ok(message.includes(`at position ${position} comes`));
  }
});

test("decode() shows the first bytes and the size", () => {
  const { message, details } = error(() => json.decode(utf8(`oops ${"x".repeat(100)}`)));
  ok(message.includes('"oops xxx'));
  ok(message.includes("and 65 bytes more"));
  strictEqual(details.size, 105);
});

test("decode() refuses a byte order mark", () => {
  const { message, details } = error(() => json.decode(utf8("\ufeff{}")));
  ok(message.includes("byte order mark"));
  strictEqual(details.position, 0);
});

test("decode() refuses bytes that are no UTF-8, says where, and works on", () => {
  const codec = createJsonCodec();
  const head = utf8(`"${"é".repeat(1000)}`);
  for (const bad of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80]]) {
    const bytes = Uint8Array.from([...head, ...bad, 0x22]);
    const position = error(() => codec.decode(bytes)).details.position as number;
    ok(position >= head.length && position < head.length + 2);
  }
  // Cut off in the middle of a character.
  strictEqual(error(() => codec.decode(head.subarray(0, -1))).details.position, head.length - 1);
  strictEqual(codec.decode(utf8("1")), 1);
});

test("text() gives the text that the bytes hold, whether or not it is JSON", () => {
  strictEqual(json.text?.(utf8("é {")), "é {");
  throws(() => json.text?.(Uint8Array.of(0xff)), SerializationError);
});

test("every message that the original writes is read, and written again as it was", () => {
  for (const { name, json: text } of vectors<EncodeVectors>("encode.json").encode) {
    const value = json.decode(utf8(text));
    // Whole floats (5.0), large integers and negative zero are numbers like others here: they are compared as numbers.
    strictEqual(json.encode(value), rewritten(text), name);
  }
});

test("everything that the original accepts is read, and what it refuses is read or refused as syntax", () => {
  let read = 0;
  for (const { name, hex, accept } of vectors<DecodeVector[]>("decode.json")) {
    const bytes = fromHex(hex);
    if (bytes.length > 0 && !json.accepts(bytes[0]!)) continue;
    try {
      json.decode(bytes);
      read++;
    } catch (thrown) {
      ok(thrown instanceof SerializationError);
      ok(!accept, name);
    }
  }
  ok(read > 50);
});
