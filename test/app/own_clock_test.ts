// A clock of one's own: what waits, waits for it alone.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createClient, rpc, TimeoutError, UnavailableError } from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import { arrived, both, errorOf, hang, on, until } from "./buses.ts";

both("a call times out when its clock is moved on, and not before", async (buses) => {
  const clock = new ManualClock();
  const client = await buses.open({ clock });
  const server = await buses.open({ clock });
  let reason: unknown;
  const slow = rpc("slow", async (params, ctx) => {
    await hang(params, ctx).catch((error) => reason = error);
  });
  const now = rpc("now", (_, ctx) => [ctx.message.timestamp, ctx.remainingMs]);
  await buses.serve("shop", [slow, now], { bus: server });
  const { call } = createClient({ bus: client });
  deepStrictEqual(await call("shop", "now", {}, { timeoutMs: 60_000 }), [
    "2026-01-01T00:00:00.000Z",
    60_000,
  ]);
  let over = false;
  const error = errorOf(call("shop", "slow", {}, { timeoutMs: 60_000 })).finally(() => over = true);
  // The call has come to its handler once the one behind it is answered.
  await call("shop", "now");
  clock.advance(59_000);
  await arrived(buses);
  strictEqual(over, false);
  clock.advance(2_000);
  ok(await error instanceof TimeoutError);
  await until(() => reason instanceof TimeoutError);
});

on("memory", "a wait between two attempts is a wait by the clock", async (buses) => {
  const clock = new ManualClock();
  const bus = await buses.open({ clock });
  const { call } = createClient({ bus });
  const retry = { attempts: 3, initialDelayMs: 10_000, maxDelayMs: 20_000, jitter: 0 };
  let over = false;
  const error = errorOf(call("nobody", "run", {}, { timeoutMs: 60_000, retry }))
    .finally(() => over = true);
  for (const [ms, ended] of [[9_999, false], [1, false], [19_999, false], [1, true]] as const) {
    await arrived(buses);
    clock.advance(ms);
    await arrived(buses);
    strictEqual(over, ended, `after ${clock.monotonic()} ms`);
  }
  ok(await error instanceof UnavailableError);
});
