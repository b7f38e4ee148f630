// Outcomes of commands: tried again, failed, or handed over by an instance that cut an attempt short.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { handoverOutcome } from "../../src/domain/command_outcome.ts";
import { resolveRetry } from "../../src/domain/retry.ts";

const policy = resolveRetry({ attempts: 9, initialDelayMs: 10, factor: 2, jitter: 0 });

test("an attempt that its instance has cut short does not count, ten times", () => {
  const kinds = (attempts: number) =>
    [0, 1, 9, 10, 11].map((handovers) =>
      handoverOutcome(policy, { attempts, handovers, maxRetries: 3 }, false, 0).kind
    );
  deepStrictEqual(kinds(1), ["handover", "handover", "handover", "retry", "retry"]);
  deepStrictEqual(kinds(4), ["handover", "handover", "handover", "failed", "failed"]);
});

test("one that may be the cause of it counts each time, and comes again later each time", () => {
  const outcome = (attempts: number, maxRetries: number) =>
    handoverOutcome(policy, { attempts, handovers: 0, maxRetries }, true, 0);
  deepStrictEqual(outcome(1, 0), { kind: "failed" });
  deepStrictEqual(outcome(1, 2), { kind: "retry", delayMs: 10 });
  deepStrictEqual(outcome(2, 2), { kind: "retry", delayMs: 20 });
  deepStrictEqual(outcome(3, 2), { kind: "failed" });
  deepStrictEqual(outcome(9, 99), { kind: "failed" });
});

test("no policy is asked about it: the next instance may well do it", () => {
  const never = resolveRetry({ attempts: 5, retryIf: () => false });
  const record = { attempts: 1, handovers: 0, maxRetries: 3 };
  strictEqual(handoverOutcome(never, record, true, 0).kind, "retry");
});
