// Headers: what may be one, and the trace that goes in one.

import { doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertHeaders, headerJson, traceparentOf } from "../../src/domain/header.ts";

test("headers are strings on one line under visible names", () => {
  for (const headers of [{}, { a: "" }, { "X-Token": "ü 🌍: x" }, { "a!#$%&'*+-.^_`|~": "1" }]) {
    doesNotThrow(() => assertHeaders(headers as unknown));
  }
  const wrong = [
    null,
    "a",
    5,
    undefined,
    ["a"],
    { "": "" },
    { "a b": "" },
    { "a:": "" },
    { "ä": "" },
    { a: 5 },
    {
      a: "x\ny",
    },
    { a: "x\ry" },
    { a: "\0" },
    { "Nats-X": "" },
    { "AEGIS-x": "" },
  ];
  for (const headers of wrong) {
    throws(
      () => assertHeaders(headers as unknown),
      (error: Error) => error instanceof TypeError && /header/.test(error.message),
      JSON.stringify(headers),
    );
  }
});

test("JSON in a header is ASCII on one line, and the same value", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
    const data = { value, text };
    const json = headerJson(data, 1e6)!;
    ok(/^[\x20-\x7e]*$/.test(json), json);
    strictEqual(JSON.stringify(JSON.parse(json)), JSON.stringify(data));
  }));
});

test("what has no JSON, or too much, goes into no header", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (
    const value of [undefined, () => {}, Symbol("a"), 5n, cycle, { toJSON: () => 5n }, {
      get a() {
        throw new Error("no");
      },
    }]
  ) strictEqual(headerJson(value, 100), undefined);
  strictEqual(headerJson("x".repeat(98), 100)?.length, 100);
  strictEqual(headerJson("x".repeat(99), 100), undefined);
  // It is what is written that counts.
  strictEqual(headerJson("ü".repeat(20), 100), undefined);
});

const SPAN = "00f067aa0ba902b7";

test("a traceparent has the digits of the trace id, the span, and the flags of its parent", () => {
  const trace = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
  const id = trace.replaceAll("-", "");
  strictEqual(traceparentOf(trace, SPAN, undefined), `00-${id}-${SPAN}-00`);
  strictEqual(traceparentOf(id, SPAN, undefined), `00-${id}-${SPAN}-00`);
  strictEqual(traceparentOf(trace, SPAN, `00-${id}-${"b".repeat(16)}-01`), `00-${id}-${SPAN}-01`);
});

test("a trace id that is no UUID has no traceparent", () => {
  for (const trace of ["", "x", "4bf92f35-77b3", `${"g".repeat(32)}`, "0".repeat(33)]) {
    strictEqual(traceparentOf(trace, SPAN, undefined), undefined, trace);
  }
});

test("flags of a parent that is none do not go on", () => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  for (
    const parent of ["", "x", "x".repeat(55), `${"-".repeat(53)}zz`, `00-${trace}-${SPAN}-0\u0661`]
  ) {
    strictEqual(traceparentOf(trace, SPAN, parent), `00-${trace}-${SPAN}-00`, parent);
  }
});
