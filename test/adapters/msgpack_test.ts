import { deepStrictEqual, notStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { msgpack } from "../../msgpack.ts";
import { SerializationError } from "../../src/domain/error.ts";

const codec = msgpack();

interface EncodeVectors {
  readonly encode: readonly { name: string; model: string; msgpack_hex: string }[];
  readonly dicts: readonly { name: string; msgpack_hex: string }[];
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
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function encode(value: unknown): string {
  const bytes = codec.encode(value);
  ok(bytes instanceof Uint8Array);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const decode = (hex: string): unknown => codec.decode(fromHex(hex));

function refused(action: () => unknown, message?: RegExp): void {
  throws(action, (thrown: unknown) => {
    ok(thrown instanceof SerializationError, String(thrown));
    if (message !== undefined) ok(message.test(thrown.message), thrown.message);
    return true;
  });
}

test("accepts() takes maps, arrays and typed values", () => {
  for (let byte = 0; byte < 256; byte++) {
    strictEqual(codec.accepts(byte), byte >= 0x80 && byte <= 0x9f || byte >= 0xc0 && byte <= 0xdf);
  }
});

test("every message that the original writes is written again to the byte", () => {
  // JavaScript cannot tell 1.0 from 1, and JSON not -0 from 0: these are written as integers, and compared as values.
  const wholeFloats = new Set([
    "rpc_request_params_floats",
    "rpc_response_result_float",
    "progress_int",
  ]);
  const { encode: models, dicts } = vectors<EncodeVectors>("encode.json");
  for (const { name, msgpack_hex: hex } of [...models, ...dicts]) {
    const value = decode(hex);
    if (wholeFloats.has(name)) {
      notStrictEqual(encode(value), hex, name);
      strictEqual(JSON.stringify(decode(encode(value))), JSON.stringify(value), name);
    } else {
      strictEqual(encode(value), hex, name);
    }
  }
});

test("everything that the original accepts is read, and what it refuses is read or refused as syntax", () => {
  let read = 0;
  for (const { name, hex, accept } of vectors<DecodeVector[]>("decode.json")) {
    const bytes = fromHex(hex);
    if (bytes.length > 0 && !codec.accepts(bytes[0]!)) continue;
    try {
      codec.decode(bytes);
      read++;
    } catch (thrown) {
      ok(thrown instanceof SerializationError);
      ok(!accept, name);
    }
  }
  ok(read > 50);
});

test("the vectors that are wrong as MessagePack are refused", () => {
  const all = vectors<DecodeVector[]>("decode.json");
  for (const name of ["msgpack_int_keys", "msgpack_trailing_bytes", "empty"]) {
    refused(() => decode(all.find((vector) => vector.name === name)!.hex));
  }
});

test("a whole time-out of an envelope is written as a float, and nothing else is", () => {
  strictEqual(encode({ message_id: "a", timeout: 5 }).slice(-18), "cb4014000000000000");
  strictEqual(encode({ message_id: "a", timeout: 2.5 }).slice(-18), "cb4004000000000000");
  strictEqual(encode({ message_id: "a", timeout: 5e9 }).slice(-18), "cb41f2a05f20000000");
  strictEqual(encode({ message_id: "a", timeout: null }).slice(-2), "c0");
  strictEqual(encode({ timeout: 5 }).slice(-2), "05");
  strictEqual(
    encode({ message_id: "a", timeout: 5, x: 1 }),
    "83aa6d6573736167655f6964a161a774696d656f757405a17801",
  );
});

test("encode() does not change what it is given", () => {
  const value = Object.freeze({
    message_id: "a",
    big: 2 ** 40,
    list: Object.freeze([new Date(0)]),
    timeout: 5,
  });
  encode(value);
  strictEqual(value.timeout, 5);
  strictEqual(value.big, 2 ** 40);
});

test("integers take the least room, and over 32 bits they are still integers", () => {
  const cases: readonly (readonly [value: number | bigint, hex: string])[] = [
    [127, "7f"],
    [128, "cc80"],
    [65536, "ce00010000"],
    [2 ** 32 - 1, "ceffffffff"],
    [2 ** 32, "cf0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
    [-32, "e0"],
    [-129, "d1ff7f"],
    [-(2 ** 31), "d280000000"],
    [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
    [2n ** 64n - 1n, "cfffffffffffffffff"],
    [-(2n ** 63n), "d38000000000000000"],
  ];
  for (const [value, hex] of cases) {
    strictEqual(encode(value), hex);
    strictEqual(decode(hex), value);
  }
  strictEqual(encode(5n), "05");
  strictEqual(encode(2 ** 53), "cb4340000000000000");
  refused(() => encode({ a: 2n ** 64n }), /"a" is a bigint of more than 64 bits/);
});

test("64-bit integers are numbers where these are exact, and bigint elsewhere", () => {
  strictEqual(decode("cf0000000000000005"), 5);
  strictEqual(decode("d3ffffffffffffffff"), -1);
  strictEqual(decode("cf0020000000000000"), 2n ** 53n);
});

test("floats are read in both widths", () => {
  strictEqual(decode("ca3fc00000"), 1.5);
  strictEqual(decode("cb3ff8000000000000"), 1.5);
  ok(Number.isNaN(decode(encode(NaN))));
  strictEqual(decode(encode(-Infinity)), -Infinity);
});

test("what JSON drops is dropped, and toJSON() is called", () => {
  strictEqual(encode({ a: undefined, b: () => {}, c: 1 }), "81a16301");
  strictEqual(encode([undefined, () => {}]), "92c0c0");
  strictEqual(encode(undefined), "c0");
  refused(() => encode(() => {}), /it is a function/);
  refused(() => encode(Symbol("a")), /it is a symbol/);
  deepStrictEqual(decode(encode({ at: new Date(0) })), { at: "1970-01-01T00:00:00.000Z" });
  deepStrictEqual(decode(encode({ o: { toJSON: (key: string) => ({ key, big: 2 ** 40 }) } })), {
    o: { key: "o", big: 2 ** 40 },
  });
});

test("text of every length and script comes back, a byte order mark included", () => {
  for (const length of [0, 1, 23, 24, 25, 31, 32, 255, 256, 65_535, 65_536]) {
    for (const unit of ["a", "é", "語", "😀", "\ufeff", "a語"]) {
      const text = unit.repeat(length).slice(0, Math.max(length, 2));
      const whole = text.isWellFormed() ? text : text.slice(0, -1);
      strictEqual(decode(encode(whole)), whole);
      deepStrictEqual(decode(encode({ [whole]: 1 })), { [whole]: 1 });
    }
  }
});

test("text that is no UTF-8 is refused, short or long, as value or key", () => {
  refused(() => decode("a1ff"), /at position 1 of 2 comes text that is no UTF-8/);
  refused(() => decode("a2c328"));
  refused(() => decode("a3eda080"));
  refused(() => decode("a2c0af"));
  refused(() => decode("81a1ff01"));
  refused(() => decode(`d920${"61".repeat(31)}ff`));
});

test("half a surrogate pair is refused", () => {
  refused(() => encode({ a: "x\ud800" }), /"a" is a string with half a surrogate pair/);
  refused(() => encode({ "\udc00": 1 }), /half a surrogate pair/);
});

test("keys that are no strings, and __proto__, are refused", () => {
  refused(() => decode("810102"), /a key that is no string/);
  refused(() => decode("81c002"));
  refused(() => decode("81a95f5f70726f746f5f5f80"), /the key "__proto__"/);
  refused(
    () => encode(JSON.parse('{"a":{"__proto__":{"x":1}}}')),
    /"__proto__" is a key that is not sent/,
  );
  strictEqual(({} as { x?: number }).x, undefined);
});

test("bytes after the end, and an end before it, are refused", () => {
  refused(() => decode("c0c0"), /1 bytes? more than the value/);
  const whole = "82a16192a26263ca3fc00000a163c403010203";
  ok(typeof decode(whole) === "object");
  for (let i = 0; i < whole.length; i += 2) refused(() => decode(whole.slice(0, i)));
});

test("a length that is only claimed takes no memory", () => {
  for (const hex of ["ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffffff"]) {
    refused(() => decode(hex), /comes their end/);
  }
});

test("the byte that MessagePack does not use is refused", () => {
  refused(() => decode("c1"), /the byte c1/);
});

test("nesting goes to 64 levels, either way", () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  deepStrictEqual(decode(encode(nested(64))), nested(64));
  refused(() => encode(nested(65)), /deeper than 64 levels/);
  strictEqual(Array.isArray(decode(`${"91".repeat(64)}01`)), true);
  refused(() => decode(`${"91".repeat(65)}01`), /deeper than 64 levels/);
  refused(() => decode("91".repeat(1_000_000)), /deeper than 64 levels/);
});

test("a cycle is refused", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  refused(() => encode(cycle), /contains itself/);
});

test("a value that throws when it is read is refused", () => {
  const value = {
    toJSON() {
      throw new Error("not now");
    },
  };
  refused(() => encode({ value }), /no MessagePack form: not now/);
});

test("timestamps are read as ISO 8601", () => {
  strictEqual(decode("d6ff00000001"), "1970-01-01T00:00:01Z");
  strictEqual(decode("c70cff 1dcd6500 ffffffffffffffff"), "1969-12-31T23:59:59.5Z");
  strictEqual(decode("d7ff 00000004 00000000"), "1970-01-01T00:00:00.000000001Z");
  refused(() => decode("c70cff 00000000 7fffffffffffffff"), /timestamp of no known form/);
  refused(() => decode("c70cff 3b9aca00 0000000000000000"));
  refused(() => decode("d5ff0001"));
});

test("other extensions are refused", () => {
  refused(() => decode("d40100"), /an extension of type 1/);
});

test("binary comes back as bytes of its own", () => {
  const message = fromHex("81a162c403010203");
  const { b } = codec.decode(message) as { b: Uint8Array };
  message.fill(0);
  deepStrictEqual(b, Uint8Array.of(1, 2, 3));
  strictEqual(encode({ b }), "81a162c403010203");
});

test("decode() reads a view into a larger buffer", () => {
  deepStrictEqual(codec.decode(fromHex("ffff81a161cb3ff8000000000000ff").subarray(2, -1)), {
    a: 1.5,
  });
});

test("a large value, and small ones after it, are written", () => {
  const large = "x".repeat(3_000_000);
  strictEqual(decode(encode({ large })) instanceof Object, true);
  strictEqual(encode([1]), "9101");
});
