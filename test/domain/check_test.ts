// Checks: messages that name the option, the value and what is allowed.

import { doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import {
  assertConcurrency,
  assertKeys,
  assertTimeout,
  isPlainObject,
  show,
} from "../../src/domain/check.ts";

test("a value is shown shortly, whatever it is", () => {
  const shown: [unknown, string][] = [
    ["a\n", '"a\\n"'],
    [5, "5"],
    [5n, "5"],
    [NaN, "NaN"],
    [null, "null"],
    [undefined, "undefined"],
    [true, "true"],
    [[1], "an array"],
    [{}, "a value of type object"],
    [Symbol("a"), "a value of type symbol"],
    [() => {}, "a value of type function"],
    [Object.create(null), "a value of type object"],
    [new Map(), "an instance of Map"],
    [new (class Order {})(), "an instance of Order"],
    [new (class {})(), "a value of type object"],
    [Promise.resolve(), "an instance of Promise"],
    [{ constructor: 5 }, "a value of type object"],
  ];
  for (const [value, text] of shown) strictEqual(show(value), text);
  ok(show("x".repeat(1_000_000)).length < 100);
});

test("a plain object is one without a class, wherever it was made", () => {
  const elsewhere = runInNewContext("({ a: 1 })");
  for (
    const value of [{}, { a: 1 }, Object.create(null), elsewhere, JSON.parse('{"__proto__":1}')]
  ) {
    strictEqual(isPlainObject(value), true);
  }
  const others = [
    null,
    undefined,
    5,
    "a",
    [],
    () => {},
    new Map(),
    new Set(),
    new Date(),
    new Error(),
  ];
  for (const value of [...others, new (class Order {})(), Promise.resolve(), new Uint8Array(1)]) {
    strictEqual(isPlainObject(value), false, show(value));
  }
});

test("showing a value never throws", () => {
  fc.assert(fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (value) => {
    ok(show(value).length < 500);
  }));
});

test("an option that is none is named, with those that are", () => {
  doesNotThrow(() => assertKeys({ a: 1 }, ["a", "b"], "of x"));
  const cases: [string, string[], string][] = [
    ["other", ["timeoutMs", "retry"], "there are timeoutMs, retry"],
    ["grace", ["timeoutMs"], "there is timeoutMs"],
    ["timeout", ["timeoutMs", "retry"], 'did you mean "timeoutMs"?'],
    ["Retry", ["timeoutMs", "retry"], 'did you mean "retry"?'],
    ["versoin", ["handlers", "version"], 'did you mean "version"?'],
  ];
  for (const [key, allowed, text] of cases) {
    throws(() => assertKeys({ [key]: undefined }, allowed, "of x"), {
      name: "TypeError",
      message: `Cannot use option "${key}" of x: there is no such option; ${text}`,
    });
  }
});

test("a time-out is a finite number over 0", () => {
  for (const value of [0.001, 1, 1e12]) doesNotThrow(() => assertTimeout(value as unknown, "it"));
  for (const value of [0, -0, -1, NaN, Infinity, -Infinity]) {
    throws(() => assertTimeout(value as unknown, "it"), RangeError);
  }
  for (const value of ["5", null, undefined, 5n, {}, new Number(5)]) {
    throws(() => assertTimeout(value as unknown, "it"), TypeError);
  }
});

test("a limit of concurrency is a whole number of at least 1, or Infinity", () => {
  for (const value of [1, 5, 2 ** 40, Infinity]) {
    doesNotThrow(() => assertConcurrency(value as unknown, "it"));
  }
  for (const value of [0, -1, 1.5, NaN, -Infinity]) {
    throws(() => assertConcurrency(value as unknown, "it"), RangeError);
  }
  for (const value of ["5", null, true]) {
    throws(() => assertConcurrency(value as unknown, "it"), TypeError);
  }
});
