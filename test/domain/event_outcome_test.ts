// Outcomes of events: tried again or dead, and the error that is kept.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AegisError, RpcError, ValidationError } from "../../src/domain/error.ts";
import {
  deadLetterError,
  eventOutcome,
  isGuilty,
  isSuspect,
  standstillOutcome,
} from "../../src/domain/event_outcome.ts";
import { resolveRetry, retryDelay } from "../../src/domain/retry.ts";

const error = new Error("broken");

const tried = (attempt: number) => ({ attempt, tries: attempt });

test("deliveries that were handed back are no attempts, and its waits go by the deliveries all the same", () => {
  const asked: number[] = [];
  const policy = resolveRetry({
    attempts: 3,
    initialDelayMs: 10,
    jitter: 0,
    retryIf: (_, attempt) => asked.push(attempt) > 0,
  });
  const after = (attempt: number, tries: number) =>
    eventOutcome(policy, new Error("no"), { attempt, tries }, 0);
  deepStrictEqual([after(3, 1), after(4, 2), after(5, 3)], [
    { kind: "retry", delayMs: 40 },
    { kind: "retry", delayMs: 80 },
    { kind: "dead" },
  ]);
  deepStrictEqual(asked, [3, 4]);
});

test("an event is tried again after each failure but the last, later each time", () => {
  const policy = resolveRetry({ attempts: 4, initialDelayMs: 10, factor: 3, jitter: 0 });
  deepStrictEqual(
    [1, 2, 3, 4, 5].map((attempt) => eventOutcome(policy, error, tried(attempt), 0.5)),
    [
      { kind: "retry", delayMs: 10 },
      { kind: "retry", delayMs: 30 },
      { kind: "retry", delayMs: 90 },
      { kind: "dead" },
      { kind: "dead" },
    ],
  );
});

test("with one attempt an event is dead at once", () => {
  deepStrictEqual(eventOutcome(resolveRetry({ attempts: 1 }), error, tried(1), 0), {
    kind: "dead",
  });
});

test("the wait is that of the policy, with its share of chance", () => {
  const policy = resolveRetry({ attempts: 9 });
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 8 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (attempt, random) => {
      const delayMs = retryDelay(policy, attempt, random);
      deepStrictEqual(eventOutcome(policy, error, tried(attempt), random), {
        kind: "retry",
        delayMs,
      });
    },
  ));
});

test("an event whose policy says no is dead at once; it is asked with the error and the attempt", () => {
  const seen: unknown[] = [];
  const policy = resolveRetry({
    attempts: 5,
    retryIf: (...given) => {
      seen.push(given);
      return given[1] < 2;
    },
  });
  strictEqual(eventOutcome(policy, error, tried(1), 0).kind, "retry");
  strictEqual(eventOutcome(policy, error, tried(2), 0).kind, "dead");
  deepStrictEqual(seen, [[error, 1], [error, 2]]);
});

test("a policy is not asked about the last failure, and cannot make more of it", () => {
  const policy = resolveRetry({ attempts: 2, retryIf: () => true });
  strictEqual(eventOutcome(policy, error, tried(2), 0).kind, "dead");
  const asked = resolveRetry({
    attempts: 2,
    retryIf: () => {
      throw new Error("asked");
    },
  });
  strictEqual(eventOutcome(asked, error, tried(2), 0).kind, "dead");
  throws(() => eventOutcome(asked, error, tried(1), 0), /asked/);
});

test("an event that may have cost its leader the leadership is tried again as any other, and no policy is asked", () => {
  const never = { attempts: 2, initialDelayMs: 10, jitter: 0, retryIf: () => false };
  const outcomes = [1, 2].map((attempt) =>
    standstillOutcome(resolveRetry(never), tried(attempt), 0)
  );
  deepStrictEqual(outcomes, [{ kind: "retry", delayMs: 10 }, { kind: "dead" }]);
});

test("an event is a suspect from its fourth delivery on, if its attempts are over", () => {
  const suspects = (attempts: number) => {
    const policy = resolveRetry({ attempts });
    return [1, 2, 3, 4, 5, 6, 7].filter((attempt) => isSuspect(policy, attempt));
  };
  deepStrictEqual(suspects(1), [4, 5, 6, 7]);
  deepStrictEqual(suspects(5), [6, 7]);
});

test("a suspect is guilty once it has begun three times, by itself, without an end", () => {
  deepStrictEqual([0, 1, 2, 3, 4].map(isGuilty), [false, false, false, true, true]);
});

test("an error is kept by its code, or by the name of its class, and its message", () => {
  class Broken extends Error {
    override name = "Broken";
  }
  for (
    const [thrown, code] of [
      [new RpcError("TAKEN", "why"), "TAKEN"],
      [new AegisError("BUSY", "why"), "BUSY"],
      [new TypeError("why"), "TypeError"],
      [new Broken("why"), "Broken"],
    ] as const
  ) deepStrictEqual(deadLetterError(thrown), { code, message: "why" });
});

test("issues are kept where there are any", () => {
  const issues = [{ path: ["amount"], message: "is no number" }];
  deepStrictEqual(deadLetterError(new ValidationError("wrong", issues)), {
    code: "INVALID_REQUEST",
    message: "wrong",
    issues,
  });
  deepStrictEqual(deadLetterError(Object.assign(new Error("of a library"), { issues })), {
    code: "Error",
    message: "of a library",
    issues,
  });
  for (const none of [[], "text", null]) {
    ok(!("issues" in deadLetterError(Object.assign(new Error("why"), { issues: none }))));
  }
});

test("whatever was thrown is kept as a code and a message, both of them text", () => {
  deepStrictEqual(deadLetterError("text"), { code: "UNKNOWN", message: "text" });
  deepStrictEqual(deadLetterError(undefined), { code: "UNKNOWN", message: "undefined" });
  deepStrictEqual(deadLetterError(new Map()), { code: "UNKNOWN", message: "an instance of Map" });
  const odd = [
    Object.assign(new Error(), { name: undefined, message: { reason: "why" } }),
    Object.assign(new Error(), { name: 5, message: Symbol("why") }),
    Object.assign(new AegisError("X", "why"), { code: null }),
  ];
  for (const thrown of [...odd, null, {}, 5n, Symbol("why"), () => {}]) {
    const { code, message } = deadLetterError(thrown);
    deepStrictEqual([typeof code, typeof message], ["string", "string"]);
  }
});
