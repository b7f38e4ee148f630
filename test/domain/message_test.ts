// Messages: what is read, what is refused, and why.

import { deepStrictEqual, doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { ValidationError } from "../../src/domain/error.ts";
import { type FreshFields, isRecord } from "../../src/domain/envelope.ts";
import {
  readRequest,
  readResponse,
  requestJson,
  responseJson,
  responseValue,
} from "../../src/domain/message.ts";
import { MAX_DEPTH } from "../../src/domain/shape.ts";

const fresh: FreshFields = { uuid: () => "id", traceId: () => "trace", timestamp: () => "time" };
const read = (body: unknown) => readRequest(body, fresh);

function issuesOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    ok(error instanceof ValidationError, String(error));
    return error.issues.map(({ path }) => String(path));
  }
  return [];
}

test("what a request leaves out is filled in", () => {
  deepStrictEqual(read({ method: "echo" }), {
    messageId: "id",
    traceId: "trace",
    correlationId: null,
    timestamp: "time",
    source: null,
    target: null,
    method: "echo",
    params: {},
    timeoutMs: 5_000,
  });
});

test("every field that is wrong is named at once", () => {
  const body = {
    message_id: 1,
    trace_id: null,
    timestamp: "x",
    source: [],
    method: 5,
    params: [],
    timeout: "5",
    foo: 1,
  };
  deepStrictEqual(issuesOf(() => read(body)), Object.keys(body));
  deepStrictEqual(
    issuesOf(() => readResponse({ success: 1, error: 5, result: 1, bar: 2 }, fresh)).sort(),
    [
      "bar",
      "error",
      "success",
    ],
  );
});

test("a body that is no object is refused", () => {
  for (const body of [null, undefined, 1, "x", [], true]) {
    throws(() => read(body), ValidationError);
    throws(() => readResponse(body, fresh), ValidationError);
  }
});

test("times are taken as the original takes them", () => {
  for (
    const timestamp of [
      "2026-01-02T03:04:05.678901+00:00",
      "2026-01-02T03:04:05Z",
      "2026-01-02 03:04",
      "2026-01-02",
      "2026-01-02T03:04:05.1+0100",
    ]
  ) strictEqual(read({ method: "m", timestamp }).timestamp, timestamp);
  for (
    const timestamp of ["", "now", "2026-13-01", "2026-01-02T25:00", "1", "2026-01-02T03:04:05Zx"]
  ) {
    deepStrictEqual(issuesOf(() => read({ method: "m", timestamp })), ["timestamp"], timestamp);
  }
});

test("a time-out is read in seconds and is always finite", () => {
  strictEqual(read({ method: "m", timeout: 2.5 }).timeoutMs, 2_500);
  for (const timeout of [1e300, Number.MAX_VALUE]) {
    ok(Number.isFinite(read({ method: "m", timeout }).timeoutMs), `${timeout}`);
  }
  for (const timeout of [0, -1, NaN, Infinity, null, true, "5", 5n]) {
    deepStrictEqual(issuesOf(() => read({ method: "m", timeout })), ["timeout"]);
  }
});

test("a response has an error exactly when it is no success", () => {
  doesNotThrow(() => readResponse({ success: true }, fresh));
  doesNotThrow(() => readResponse({ success: false, error: "" }, fresh));
  for (
    const body of [{}, { success: false }, { success: true, error: "x" }, {
      success: true,
      error: "",
    }]
  ) {
    ok(issuesOf(() => readResponse(body, fresh)).length > 0, JSON.stringify(body));
  }
});

test("a body nests to 64 levels, the envelope included", () => {
  const nest = (levels: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  strictEqual(MAX_DEPTH, 64);
  doesNotThrow(() => read({ method: "m", params: { a: nest(62) } }));
  throws(() => read({ method: "m", params: { a: nest(63) } }), /64 levels/);
  doesNotThrow(() => readResponse({ success: true, result: nest(63) }, fresh));
  throws(() => readResponse({ success: true, result: nest(64) }, fresh), /64 levels/);
});

test("the key __proto__ is refused wherever it is", () => {
  for (
    const params of ['{"__proto__":1}', '{"a":{"__proto__":{}}}', '{"a":[[{"__proto__":null}]]}']
  ) {
    throws(() => read({ method: "m", params: JSON.parse(params) }), /__proto__/);
    throws(() => readResponse({ success: true, result: JSON.parse(params) }, fresh), /__proto__/);
  }
  throws(() => read(JSON.parse('{"method":"m","__proto__":{"a":1}}')), ValidationError);
});

test("whole seconds are written as floats", () => {
  const request = read({ method: "m" });
  const timeoutOf = (timeoutMs: number) =>
    requestJson({ ...request, timeoutMs }, "{}").match(/"timeout":(.*)}$/)![1];
  deepStrictEqual([5_000, 1, 1_500, 1e15].map(timeoutOf), [
    "5.0",
    "0.001",
    "1.5",
    "1000000000000.0",
  ]);
});

test("text is written as JSON, whatever it holds", () => {
  const odd = '"\\\r\n\0\u2028ü🌍\ud800';
  const request = {
    ...read({ method: "m" }),
    traceId: odd,
    source: odd,
    target: odd,
    correlationId: odd,
  };
  const body = JSON.parse(requestJson(request, "{}"));
  deepStrictEqual([body.trace_id, body.source, body.target, body.correlation_id], [
    odd,
    odd,
    odd,
    odd,
  ]);
  const response = {
    ...readResponse({ success: false, error: odd }, fresh),
    traceId: odd,
    source: odd,
  };
  strictEqual(JSON.parse(responseJson(response, "null")).error, odd);
});

test("a result of undefined is written as null", () => {
  const response = { ...readResponse({ success: true }, fresh), result: undefined };
  strictEqual(responseValue(response).result, null);
});

test("a record is an object with keys", () => {
  deepStrictEqual([{}, Object.create(null)].map(isRecord), [true, true]);
  deepStrictEqual([[], null, undefined, "x", 5, () => {}].map(isRecord), Array(6).fill(false));
});
