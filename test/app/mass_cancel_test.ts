// Many calls taken back at once: none is overlooked, and each costs about as much as one.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createClient, rpc } from "../../mod.ts";
import { workTime } from "../work_time.ts";
import { arrived, both, hang, requestText, until } from "./buses.ts";

const CALLS = 10_000;

both(
  `${CALLS} calls that are taken back at once cost less than three seconds of work`,
  async (buses) => {
    let begun = 0;
    let aborted = 0;
    const service = await buses.serve("slow", [
      rpc("wait", (params, ctx) => {
        begun++;
        ctx.signal.addEventListener("abort", () => aborted++);
        return hang(params, ctx);
      }),
    ]);
    const wire = await buses.wire();
    const ids = Array.from({ length: CALLS }, (_, n) => `call-${n}`);
    for (const id of ids) {
      wire.publish("rpc.slow.wait", requestText("wait", {}, { message_id: id, timeout: 30 }));
    }
    await until(() => begun === CALLS);
    const worked = workTime();
    // Those that others serve too are looked for in vain.
    for (const id of ids) {
      wire.publish("internal.rpc.cancel.slow", `other-${id}`);
      wire.publish("internal.rpc.cancel.slow", id);
    }
    await until(() => aborted === CALLS);
    const ms = worked();
    // It is some 300 ms of work, for which a busy machine takes longer.
    ok(ms < 3_000, `${ms} ms`);
    strictEqual((await service.health()).inFlight, 0);
  },
);

both("a call that arrives in the turn in which others are taken back is found", async (buses) => {
  const ended: unknown[] = [];
  await buses.serve("slow", [
    rpc("wait", (params, ctx) => {
      ctx.signal.addEventListener("abort", () => ended.push(ctx.message.messageId));
      return hang(params, ctx);
    }),
  ]);
  const wire = await buses.wire();
  const call = (id: string): void =>
    wire.publish("rpc.slow.wait", requestText("wait", {}, { message_id: id, timeout: 30 }));
  const cancel = (id: string): void => wire.publish("internal.rpc.cancel.slow", id);
  // One after the other in one tick, and so in one read.
  for (const id of ["a", "b", "c"]) call(id);
  for (const id of ["a", "b"]) cancel(id);
  call("d");
  for (const id of ["d", "c", "a", "nobody"]) cancel(id);
  await until(() => ended.length === 4);
  await arrived(buses);
  deepStrictEqual(ended, ["a", "b", "d", "c"]);
  strictEqual(
    await createClient({ bus: buses.client }).call("slow", "wait", {}, {
      timeoutMs: 20,
    }).catch((error) => error.code),
    "TIMEOUT",
  );
});
