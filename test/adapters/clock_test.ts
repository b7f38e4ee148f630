import { ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../../src/adapters/system/clock.ts";

/** Runs `body` with `setTimeout` replaced by a list of what was asked for. */
function withTimers(body: (asked: { callback: () => void; delayMs: number }[]) => void): void {
  const original = globalThis.setTimeout;
  const asked: { callback: () => void; delayMs: number }[] = [];
  globalThis.setTimeout = ((callback: () => void, delayMs: number) => {
    asked.push({ callback, delayMs });
    return original(() => {}, 0);
  }) as unknown as typeof setTimeout;
  try {
    body(asked);
  } finally {
    globalThis.setTimeout = original;
  }
}

test("the clock tells the time of day", () => {
  const before = Date.now();
  const now = createClock().now();
  ok(now >= before && now <= Date.now());
});

test("timestamp() is the time of day as ISO 8601, also when it is asked again", () => {
  const clock = createClock();
  const before = Date.now();
  for (let i = 0; i < 1000; i++) {
    const text = clock.timestamp();
    strictEqual(new Date(text).toISOString(), text);
    ok(Date.parse(text) >= before && Date.parse(text) <= Date.now());
  }
});

test("the monotonic clock never goes back", () => {
  const clock = createClock();
  let last = clock.monotonic();
  for (let i = 0; i < 1000; i++) {
    const next = clock.monotonic();
    ok(next >= last);
    last = next;
  }
});

test("a timer fires once", async () => {
  let fired = 0;
  await new Promise<void>((resolve) => {
    createClock().setTimer(1, () => {
      fired++;
      resolve();
    });
  });
  strictEqual(fired, 1);
});

test("a cancelled timer does not fire, and may be cancelled again", async () => {
  const clock = createClock();
  let fired = false;
  const timer = clock.setTimer(1, () => fired = true);
  timer.cancel();
  timer.cancel();
  await new Promise<void>((resolve) => void clock.setTimer(5, resolve));
  strictEqual(fired, false);
});

test("a delay that setTimeout does not take is waited for in parts", () => {
  withTimers((asked) => {
    let fired = 0;
    createClock().setTimer(2 ** 31 + 99, () => fired++);
    strictEqual(asked[0]?.delayMs, 2 ** 31 - 1);
    asked[0]?.callback();
    strictEqual(fired, 0);
    strictEqual(asked[1]?.delayMs, 100);
    asked[1]?.callback();
    strictEqual(fired, 1);
    strictEqual(asked.length, 2);
  });
});

test("an infinite delay is armed for the longest time there is", () => {
  withTimers((asked) => {
    createClock().setTimer(Infinity, () => {});
    strictEqual(asked[0]?.delayMs, 2 ** 31 - 1);
  });
});

test("a delay of NaN is refused", () => {
  throws(() => createClock().setTimer(NaN, () => {}), RangeError);
});
