// Retry policies: their defaults, their waits, and what is safe to try again.

import { deepStrictEqual, doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  AegisError,
  NotActiveError,
  RpcError,
  TimeoutError,
  UnavailableError,
  ValidationError,
} from "../../src/domain/error.ts";
import { isSafeToRetry, resolveRetry, retryDelay } from "../../src/domain/retry.ts";

test("an empty policy has the defaults that it documents", () => {
  const defaults = { attempts: 3, initialDelayMs: 20, maxDelayMs: 1_000, factor: 2, jitter: 0.5 };
  deepStrictEqual(resolveRetry({}), defaults);
  deepStrictEqual(resolveRetry({ attempts: undefined } as never), defaults);
});

test("what a policy gives takes the place of the defaults", () => {
  const retryIf = () => true;
  const policy = { attempts: 9, initialDelayMs: 1, maxDelayMs: 2, factor: 3, jitter: 0, retryIf };
  deepStrictEqual(resolveRetry(policy), policy);
});

test("defaults of one's own stand in for what a policy does not give, and for nothing else", () => {
  const retryIf = () => false;
  const own = { attempts: 5, initialDelayMs: 500, factor: 4, retryIf };
  deepStrictEqual(resolveRetry({ factor: 3, attempts: undefined } as never, own), {
    attempts: 5,
    initialDelayMs: 500,
    maxDelayMs: 1_000,
    factor: 3,
    jitter: 0.5,
    retryIf,
  });
  const never = () => true;
  strictEqual(resolveRetry({ retryIf: never }, own).retryIf, never);
  deepStrictEqual(resolveRetry({}, {}), resolveRetry({}));
});

test("defaults of one's own change nothing of what may be given", () => {
  throws(() => resolveRetry({ jitter: 2 }, { jitter: 0 }), /retry\.jitter/);
  throws(() => resolveRetry({ attempts: 1.5 }, { attempts: 2 }), /whole number/);
});

test("a number at the edge of what is allowed is allowed", () => {
  doesNotThrow(() => resolveRetry({ attempts: 1, initialDelayMs: 0, factor: 1, jitter: 1 }));
});

test("waits grow by the factor up to the longest", () => {
  const policy = resolveRetry({ initialDelayMs: 10, maxDelayMs: 65, factor: 2, jitter: 0 });
  deepStrictEqual([1, 2, 3, 4, 5].map((n) => retryDelay(policy, n, 0.9)), [10, 20, 40, 65, 65]);
});

test("jitter takes a share of the wait away", () => {
  const policy = resolveRetry({ initialDelayMs: 100, jitter: 0.5 });
  deepStrictEqual([0, 0.5, 1].map((random) => retryDelay(policy, 1, random)), [100, 75, 50]);
});

test("a wait is never negative, never over the longest, and never no number", () => {
  fc.assert(fc.property(
    fc.record({
      initialDelayMs: fc.double({ min: 0, max: 86_400_000, noNaN: true }),
      maxDelayMs: fc.double({ min: 0, max: 86_400_000, noNaN: true }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.integer({ min: 1, max: 1_000_000 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (given, attempt, random) => {
      const wait = retryDelay(resolveRetry(given), attempt, random);
      ok(wait >= 0 && wait <= given.maxDelayMs, `${wait}`);
    },
  ));
});

test("a policy that cannot be names its field", () => {
  for (
    const [policy, text] of [[{ attempts: 2.5 }, /retry\.attempts/], [
      { jitter: -1 },
      /retry\.jitter/,
    ]] as const
  ) {
    throws(
      () => resolveRetry(policy),
      (error: Error) => error instanceof RangeError && text.test(error.message),
    );
  }
  throws(() => resolveRetry({ atempts: 2 } as never), /no such option/);
});

test("what never ran is safe to try again", () => {
  const safe = [
    new UnavailableError("nobody"),
    new UnavailableError("busy", { code: "BUSY" }),
    new NotActiveError("stands by"),
    new NotActiveError("elects", { code: "ELECTING" }),
  ];
  for (const error of safe) ok(isSafeToRetry(error, false), error.message);
});

test("what may have run is safe only when it is idempotent", () => {
  const errors = [
    new UnavailableError("lost", { details: { sent: true } }),
    new TimeoutError("late"),
    new AegisError("INTERNAL_ERROR", "broken"),
  ];
  for (const error of errors) {
    deepStrictEqual([isSafeToRetry(error, false), isSafeToRetry(error, true)], [false, true]);
  }
  strictEqual(
    isSafeToRetry(new TimeoutError("late", { details: { idempotent: true } }), false),
    true,
  );
});

test("what would fail again is not tried again", () => {
  const errors = [
    new RpcError("TAKEN", "taken"),
    new ValidationError("wrong"),
    new AegisError("CANCELLED", "taken back"),
    new Error("no error of ours"),
    "text",
    null,
  ];
  for (const error of errors) strictEqual(isSafeToRetry(error, true), false, String(error));
});
