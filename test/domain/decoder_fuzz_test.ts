// The decoders of the wire under any bytes: a message or an error of the SDK's own, and nothing else.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { msgpack } from "../../msgpack.ts";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import { AegisError } from "../../src/domain/error.ts";
import type { FreshFields } from "../../src/domain/envelope.ts";
import {
  readRequest,
  readResponse,
  requestJson,
  requestValue,
  responseJson,
  responseValue,
  type RpcRequest,
  type RpcResponse,
} from "../../src/domain/message.ts";
import { OwnRequests, OwnResults } from "../../src/domain/own_message.ts";
import type { Codec } from "../../src/ports/codec.ts";

const json = createJsonCodec();
const packed = msgpack();
const fresh: FreshFields = { uuid: () => "id", traceId: () => "trace", timestamp: () => "time" };
const utf8 = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

const uuid = fc.uuid({ version: 4 });
const instant = fc.date({
  min: new Date("2000-01-01T00:00:00Z"),
  max: new Date("2100-01-01T00:00:00Z"),
  noInvalidDate: true,
}).map((date) => date.toISOString());
const party = fc.option(fc.string({ unit: "grapheme", maxLength: 12 }), { nil: null });
/** Keys that mean something to an envelope, or to JavaScript, are likelier than chance would have them. */
const key = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "timeout",
    "params",
    "error",
    ',"timeout":',
  ),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 1.5, 2 ** 40, ""),
    fc.string({ unit: "grapheme", maxLength: 8 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => Object.is(n, -0) ? 0 : n),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const params = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true });
const envelope = {
  messageId: uuid,
  traceId: uuid,
  timestamp: instant,
  source: party,
  target: party,
};
const request: fc.Arbitrary<RpcRequest> = fc.record({
  ...envelope,
  correlationId: fc.constant(null),
  method: fc.constantFrom("echo", "a-b_c"),
  params,
  timeoutMs: fc.oneof(
    fc.integer({ min: 1, max: 1e9 }),
    fc.double({ min: 0.001, max: 1e9, noNaN: true }),
  ),
});
const response: fc.Arbitrary<RpcResponse> = fc.record({
  ...envelope,
  correlationId: uuid,
  outcome: fc.oneof(
    fc.record({ success: fc.constant(true), result: value, error: fc.constant(null) }),
    fc.record({
      success: fc.constant(false),
      result: fc.constant(null),
      error: fc.string({ unit: "grapheme", maxLength: 20 }),
    }),
  ),
}).map(({ outcome, ...rest }) => ({ ...rest, ...outcome }));

/** A few bytes changed, put in or taken out. */
const mutation = fc.array(
  fc.record({
    at: fc.nat(),
    how: fc.constantFrom("set", "insert", "delete", "cut", "repeat"),
    byte: fc.oneof(
      fc.nat(255),
      fc.constantFrom(0x22, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d, 0xc1, 0xdd, 0xdf),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(
  bytes: Uint8Array,
  changes: { at: number; how: string; byte: number }[],
): Uint8Array {
  const list = [...bytes];
  for (const { at, how, byte } of changes) {
    const index = at % (list.length + 1);
    if (how === "set") list[index] = byte;
    else if (how === "insert") list.splice(index, 0, byte);
    else if (how === "delete") list.splice(index, 1);
    else if (how === "cut") list.length = index;
    else list.splice(index, 0, ...list.slice(index, index + byte));
  }
  return new Uint8Array(list);
}

/** What the readers make of bytes; anything but a message or an error of the SDK's own is a fault. */
function assertSafe(codec: Codec, bytes: Uint8Array): void {
  for (const read of [readRequest, readResponse]) {
    try {
      const message = read(codec.decode(bytes), fresh);
      ok(typeof message.messageId === "string" && typeof message.traceId === "string");
      if ("method" in message) {
        ok(message.method !== "" && message.timeoutMs > 0 && Number.isFinite(message.timeoutMs));
        strictEqual(Object.getPrototypeOf(message.params), Object.prototype);
      } else {
        strictEqual(message.success, message.error === null);
      }
      assertNoPrototypes(message, 0);
    } catch (error) {
      ok(AegisError.is(error), `${(error as Error).stack}`);
      ok(["SERIALIZATION", "INVALID_REQUEST"].includes(error.code), error.code);
      ok(error.message.length < 5_000, `a message of ${error.message.length} characters`);
    }
  }
  strictEqual(Object.keys(Object.prototype).length, 0);
}

function assertNoPrototypes(item: unknown, depth: number): void {
  if (typeof item !== "object" || item === null) return;
  ok(depth <= 65, "deeper than 64 levels");
  const prototype = Object.getPrototypeOf(item);
  ok([Object.prototype, Array.prototype, Uint8Array.prototype].includes(prototype));
  for (const child of Object.values(item)) assertNoPrototypes(child, depth + 1);
}

for (const codec of [json, packed]) {
  test(`any bytes at all are safe to read, as ${codec.name}`, () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assertSafe(codec, bytes)), {
      numRuns: 2_000,
    });
  });

  test(`envelopes with a few bytes changed are safe to read, as ${codec.name}`, () => {
    const valid = fc.oneof(request.map(requestValue), response.map(responseValue))
      .map((body) => {
        try {
          return utf8(codec.encode(body));
        } catch (error) {
          // MessagePack refuses to write what it would refuse to read.
          ok(AegisError.is(error, "SERIALIZATION"));
          return new Uint8Array();
        }
      });
    fc.assert(
      fc.property(valid, mutation, (bytes, changes) => {
        assertSafe(codec, bytes);
        assertSafe(codec, mutate(bytes, changes));
      }),
      { numRuns: 1_500 },
    );
  });
}

test("any JSON is safe to read", () => {
  const text = fc.oneof(fc.json(), value.map((item) => JSON.stringify(item)), fc.string());
  fc.assert(fc.property(text, (body) => assertSafe(json, utf8(body))), { numRuns: 2_000 });
});

test("what is written as JSON is read as it was", () => {
  fc.assert(fc.property(request, (message) => {
    const body = requestJson(message, JSON.stringify(message.params));
    deepStrictEqual(JSON.parse(body), JSON.parse(JSON.stringify(requestValue(message))));
    const back = outcomeOf(() => readRequest(json.decode(utf8(body)), fresh));
    if (back instanceof Error) return;
    deepStrictEqual(requestJson(back, JSON.stringify(back.params)), body);
  }));
  fc.assert(fc.property(response, (message) => {
    const body = responseJson(message, JSON.stringify(message.result));
    const back = outcomeOf(() => readResponse(json.decode(utf8(body)), fresh));
    if (!(back instanceof Error)) deepStrictEqual(back, message);
  }));
});

test("the quick reader of requests reads what the thorough one does, or leaves it to it", () => {
  fc.assert(
    fc.property(request, fc.option(mutation), (message, changes) => {
      const sent = { ...message, method: "echo" };
      const reader = new OwnRequests("echo");
      reader.learn(requestJson({ ...sent, params: {} }, "{}"), sent);
      const bytes = utf8(requestJson(sent, JSON.stringify(sent.params)));
      const changed = changes === null ? bytes : mutate(bytes, changes);
      const text = outcomeOf(() =>
        new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(changed)
      );
      if (text instanceof Error) return;
      const quick = outcomeOf(() => reader.read(text));
      if (quick === undefined) return;
      const thorough = outcomeOf(() => readRequest(JSON.parse(text), fresh));
      if (quick instanceof Error) ok(AegisError.is(quick) && thorough instanceof Error);
      else deepStrictEqual(quick, thorough);
    }),
    { numRuns: 3_000 },
  );
});

test("the quick reader of results reads what the thorough one does, or leaves it to it", () => {
  fc.assert(
    fc.property(response, fc.option(mutation), (message, changes) => {
      const reader = new OwnResults();
      const known = { ...message, success: true, result: null, error: null };
      reader.learn(responseJson(known, "null"), message.source, message.target);
      const bytes = utf8(responseJson(message, JSON.stringify(message.result)));
      const changed = changes === null ? bytes : mutate(bytes, changes);
      const text = outcomeOf(() =>
        new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(changed)
      );
      if (text instanceof Error) return;
      const quick = outcomeOf(() => reader.read(text, message.correlationId!));
      if (quick === undefined) return;
      const thorough = outcomeOf(() => readResponse(JSON.parse(text), fresh));
      if (quick instanceof Error) ok(AegisError.is(quick) && thorough instanceof Error);
      else {
        ok(!(thorough instanceof Error), String(thorough));
        deepStrictEqual([quick.result, null, message.correlationId], [
          thorough.result,
          thorough.error,
          thorough.correlationId,
        ]);
      }
    }),
    { numRuns: 3_000 },
  );
});

function outcomeOf<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    return error as Error;
  }
}
