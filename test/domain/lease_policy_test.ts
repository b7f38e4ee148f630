// Failover policies: which times fit one another.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { failover, type FailoverPolicy, resolveFailover } from "../../src/domain/lease_policy.ts";

const resolve = (policy: Partial<FailoverPolicy>) => resolveFailover(policy, "of test");

test("the policies that there are fit, and take over in the times that they promise", () => {
  const bounds = { aggressive: 1_000, balanced: 3_000, conservative: 12_000 };
  for (const name of ["aggressive", "balanced", "conservative"] as const) {
    deepStrictEqual(resolve(failover[name]), failover[name]);
    ok(failover[name].electionTimeoutMs * 1.1 < bounds[name], name);
  }
  throws(() => Object.assign(failover.aggressive, { electionTimeoutMs: 1 }), TypeError);
});

test("what is left out is made to fit what is given", () => {
  deepStrictEqual(resolve({}), failover.balanced);
  deepStrictEqual(resolve({ electionTimeoutMs: 600 }), failover.aggressive);
  strictEqual(resolve({ electionTimeoutMs: 1_000, heartbeatIntervalMs: 50 }).retryIntervalMs, 50);
});

test("heartbeats may come as fast as every ten milliseconds", () => {
  const fast = resolve({ electionTimeoutMs: 600_000, heartbeatIntervalMs: 10 });
  deepStrictEqual([fast.heartbeatIntervalMs, fast.retryIntervalMs], [10, 10]);
  deepStrictEqual(resolve({ electionTimeoutMs: 100 }).retryIntervalMs, 10);
});

test("times that cannot work together are refused, and the message says which and why", () => {
  throws(
    () => resolve({ electionTimeoutMs: 1_000, heartbeatIntervalMs: 500 }),
    {
      name: "RangeError",
      message:
        "Cannot use heartbeatIntervalMs 500 and retryIntervalMs 100 with electionTimeoutMs 1000 of test: " +
        "one lost heartbeat would end the leadership; make electionTimeoutMs at least 1223, or the intervals shorter",
    },
  );
  throws(
    () => resolve({ electionTimeoutMs: 9_000, heartbeatIntervalMs: 100, retryIntervalMs: 200 }),
    { name: "RangeError", message: /make retryIntervalMs at most 100$/ },
  );
});

test("a time that is none is refused by its name", () => {
  throws(() => resolve({ electionTimeoutMs: 50 }), {
    name: "RangeError",
    message: /Cannot use 50 as "electionTimeoutMs" of test: .* from 100 to 600000$/,
  });
  for (const value of [0, -1, 1e-9, 9.9, NaN, Infinity]) {
    const message = `Cannot use ${value} as "KEY" of test: ` +
      "it must be a finite number of milliseconds from 10 on";
    for (const key of ["heartbeatIntervalMs", "retryIntervalMs"]) {
      const error = { name: "RangeError", message: message.replace("KEY", key) };
      throws(() => resolve({ [key]: value }), error);
    }
    throws(() => resolve({ electionTimeoutMs: value }), RangeError);
  }
  throws(() => resolve({ retryIntervalMs: "1" as unknown as number }), TypeError);
  throws(() => resolve({ heartbeatMs: 1 } as object), {
    name: "TypeError",
    message: /"heartbeatMs".*did you mean|there are electionTimeoutMs/,
  });
});
