// Signals of commands: what is written, and what is made of whatever comes.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  completionJson,
  completionValue,
  progressJson,
  progressValue,
  readCancel,
  readCompletion,
  readProgress,
} from "../../src/domain/command_signal.ts";

const odd = 'a"\\\r\n\0\u2028ü🌍';

test("progress is written with a float as its time, and read as it was", () => {
  const progress = { commandId: odd, percent: 50, status: odd, timestampMs: 1_795_460_098_000 };
  const text = progressJson(progress);
  ok(text.endsWith(',"timestamp":1795460098.0}'), text);
  deepStrictEqual(JSON.parse(text), progressValue(progress));
  deepStrictEqual(readProgress(JSON.parse(text)), progress);
});

test("all that was known of progress is known after it was written and read", () => {
  const progress = fc.record({
    commandId: fc.string({ minLength: 1 }),
    percent: fc.oneof(fc.nat(100), fc.double({ min: 0.01, max: 100, noNaN: true })),
    status: fc.string({ unit: "grapheme" }),
    timestampMs: fc.integer({ min: 1, max: 4e12 }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(progress, (progress) => {
    const again = readProgress(JSON.parse(progressJson(progress)))!;
    // A tenth of a microsecond may be lost in the division.
    ok(Math.abs(again.timestampMs - progress.timestampMs) < 1e-3);
    deepStrictEqual({ ...again, timestampMs: progress.timestampMs }, progress);
  }));
});

test("progress of anybody is taken if it says of what and how much", () => {
  deepStrictEqual(readProgress({ command_id: "c", progress: 150.5, more: 1, status: 5 }), {
    commandId: "c",
    percent: 150.5,
    status: "",
    timestampMs: 0,
  });
  const wrong = [
    {},
    { command_id: "c" },
    { progress: 5 },
    { command_id: "", progress: 5 },
    { command_id: 5, progress: 5 },
    { command_id: "c", progress: "5" },
    { command_id: "c", progress: NaN },
    { command_id: "c", progress: Infinity },
    { command_id: "c", progress: null },
  ];
  for (const body of [...wrong, null, undefined, 5, "x", []]) {
    strictEqual(readProgress(body), undefined);
  }
});

test("a completion is written and read with its result", () => {
  for (const result of [null, 0, "", odd, [1], { done: 2 }, false]) {
    const text = completionJson(odd, JSON.stringify(result));
    deepStrictEqual(JSON.parse(text), completionValue(odd, result));
    deepStrictEqual(readCompletion(JSON.parse(text)), { commandId: odd, result });
  }
});

test("a result of nothing is null, written and read", () => {
  deepStrictEqual(completionValue("c", undefined), {
    command_id: "c",
    status: "completed",
    result: null,
  });
  deepStrictEqual(readCompletion({ command_id: "c", status: "completed", more: 1 }), {
    commandId: "c",
    result: null,
  });
});

test("what is no completion, or has a result that no honest sender writes, is none", () => {
  const nest = (levels: number): unknown => levels === 0 ? 1 : [nest(levels - 1)];
  const wrong = [
    {},
    { command_id: "c" },
    { status: "completed" },
    { command_id: "", status: "completed" },
    { command_id: 5, status: "completed" },
    { command_id: "c", status: "failed" },
    { command_id: "c", status: "completed", result: JSON.parse('{"__proto__":1}') },
    { command_id: "c", status: "completed", result: nest(64) },
  ];
  for (const body of [...wrong, null, undefined, 5, "x", []]) {
    strictEqual(readCompletion(body), undefined);
  }
  ok(readCompletion({ command_id: "c", status: "completed", result: nest(63) }) !== undefined);
});

test("a cancel says why and who, as far as it does", () => {
  deepStrictEqual(readCancel({ reason: "why", by: "me", more: 1 }), { reason: "why", by: "me" });
  deepStrictEqual(readCancel({ reason: "why" }), { reason: "why" });
  deepStrictEqual(readCancel({ reason: 5, by: null }), {});
  for (const body of [{}, null, undefined]) deepStrictEqual(readCancel(body), {});
  for (const body of [5, "x", [], true]) strictEqual(readCancel(body), undefined);
});

test("any body is a signal or none", () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (body) => {
      readProgress(body);
      readCompletion(body);
      readCancel(body);
    }),
    { numRuns: 2_000 },
  );
});
