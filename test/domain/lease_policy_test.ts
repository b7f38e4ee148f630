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
  for (const value of [0, -1, NaN, Infinity]) {
    throws(() => resolve({ heartbeatIntervalMs: value }), RangeError);
    throws(() => resolve({ electionTimeoutMs: value }), RangeError);
  }
  throws(() => resolve({ retryIntervalMs: "1" as unknown as number }), TypeError);
  throws(() => resolve({ heartbeatMs: 1 } as object), {
    name: "TypeError",
    message: /"heartbeatMs".*did you mean|there are electionTimeoutMs/,
  });
});
