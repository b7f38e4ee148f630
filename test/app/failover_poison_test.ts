// Single-active services: work that costs its leader the leadership ends some time, and what was done too late is not taken.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  command,
  CommandError,
  createClient,
  type Handler,
  NotActiveError,
  on,
  type Service,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, hang, until } from "./buses.ts";

/** Those of `failover.aggressive` would not outlast every pause of a busy machine, which counts. */
const singleActive = { electionTimeoutMs: 1_000 };
/** Longer than any leader can be blocked and lead on. */
const TOO_LONG_MS = 1_000;
const retry = { attempts: 3, initialDelayMs: 10 };

/** Two instances, of which the first leads; who blocks one of them blocks both. */
async function pair(buses: Buses, handlers: readonly Handler[]): Promise<[Service, Service]> {
  const a = await buses.serve("shop", handlers, { singleActive, instanceId: "a" });
  const bus = await buses.open({ name: "other" });
  const b = await buses.serve("shop", handlers, { singleActive, instanceId: "b", bus });
  return [a, b];
}

/** Writes over the lease: whoever leads finds out that it does no longer, and another one takes over in a while. */
async function takeAway({ client }: Buses): Promise<void> {
  await (await client.kv("service_leaders")).put("shop.default", "nobody's");
}

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** The dead letters, as few words as needed. */
async function letters({ client }: Buses): Promise<unknown[]> {
  const all = await createClient({ bus: client }).listDeadLetters();
  return all.map(({ reason, attempts, error }) => [reason, attempts, error.code]);
}

for (const how of ["gives a result", "throws an error"] as const) {
  bothStreams(
    `a command that blocks its leader longer than the lease, and then ${how}, has failed in the end`,
    async (buses) => {
      const begun: number[] = [];
      const poison = command("poison", { exclusive: true, retry }, (_, ctx) => {
        begun.push(ctx.attempt);
        block(TOO_LONG_MS);
        if (how === "throws an error") throw new CommandError("LATE", "too late", { final: true });
        return "too late";
      });
      await pair(buses, [poison]);
      const { send } = createClient({ bus: buses.client });
      const job = await send("shop", "poison", {}, { maxRetries: 2 });
      const error = await errorOf(job.result());
      ok(CommandError.is(error, "LEASE_LOST"), String(error));
      ok(error.message.includes("was blocked, or stood still"), error.message);
      deepStrictEqual(begun, [1, 2, 3]);
      const { state, attempts, handovers } = await job.status();
      deepStrictEqual([state, attempts, handovers], ["failed", 3, 0]);
      deepStrictEqual(await letters(buses), [["failed", 3, "LEASE_LOST"]]);
    },
  );
}

bothStreams(
  "a command that blocks its leader between two waits, and heeds its signal, has failed in the end",
  async (buses) => {
    let begun = 0;
    const poison = command("poison", { exclusive: true, retry }, async (_, { signal }) => {
      begun++;
      while (!signal.aborted) {
        block(TOO_LONG_MS);
        await new Promise((resolve) => setTimeout(resolve));
      }
      throw signal.reason;
    });
    await pair(buses, [poison]);
    const job = await createClient({ bus: buses.client }).send("shop", "poison", {}, {
      maxRetries: 1,
    });
    ok(CommandError.is(await errorOf(job.result()), "LEASE_LOST"));
    strictEqual(begun, 2);
  },
);

bothStreams(
  "an event that blocks its leader longer than the lease is a dead letter in the end",
  async (buses) => {
    const begun: number[] = [];
    const poison = on("order.*", { exclusive: true, retry }, (_, ctx) => {
      begun.push(ctx.attempt);
      block(TOO_LONG_MS);
    });
    await pair(buses, [poison]);
    await createClient({ bus: buses.client }).publish("order.made", {});
    await until(async () => (await letters(buses)).length === 1);
    deepStrictEqual(await letters(buses), [["failed", 3, "LEASE_LOST"]]);
    deepStrictEqual(begun, [1, 2, 3]);
  },
);

bothStreams(
  "what a command comes to after its leadership is over is not taken: the next leader runs it, and no attempt counts",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    const begun: (number | undefined)[] = [];
    const work = command("work", { exclusive: true }, async (_, ctx) => {
      begun.push(ctx.fencingToken);
      if (begun.length > 1) return ctx.fencingToken;
      await hang({}, ctx).catch((reason) => ok(NotActiveError.is(reason)));
      await gate.promise;
      return "too late";
    });
    await pair(buses, [work]);
    const job = await createClient({ bus: buses.client }).send("shop", "work", {}, {
      maxRetries: 0,
    });
    await until(() => begun.length === 1);
    await takeAway(buses);
    gate.resolve();
    strictEqual(await job.result(), begun[1]);
    ok(begun[1]! > begun[0]!);
    const { attempts, handovers } = await job.status();
    deepStrictEqual([attempts, handovers], [1, 1]);
  },
);

bothStreams(
  "an event whose handler ends after its leadership is over is not acknowledged: the next leader has it",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    const begun: (number | undefined)[] = [];
    const work = on("order.*", { exclusive: true }, async (_, ctx) => {
      begun.push(ctx.fencingToken);
      if (begun.length > 1) return;
      await hang({}, ctx).catch((reason) => ok(NotActiveError.is(reason)));
      await gate.promise;
    });
    await pair(buses, [work]);
    await createClient({ bus: buses.client }).publish("order.made", {});
    await until(() => begun.length === 1);
    await takeAway(buses);
    gate.resolve();
    await until(() => begun.length === 2);
    ok(begun[1]! > begun[0]!);
  },
);

bothStreams(
  "a command that outlives one instance after the other has failed in the end",
  async (buses) => {
    let begun = 0;
    const endless = command("endless", { exclusive: true, retry }, (command, ctx) => {
      begun++;
      return hang(command, ctx);
    });
    const job = await createClient({ bus: buses.client }).send("shop", "endless", {}, {
      maxRetries: 1,
    });
    const seen: unknown[] = [];
    for (let round = 1; round <= 12; round++) {
      const service = await buses.serve("shop", [endless], { singleActive });
      await until(() => begun === round);
      await service.stop({ graceMs: 0 });
      const { state, attempts, handovers } = await job.status();
      seen.push([state, attempts, handovers]);
    }
    deepStrictEqual(
      seen,
      [
        ...Array.from({ length: 10 }, (_, index) => ["pending", 0, index + 1]),
        ["retrying", 1, 10],
        ["failed", 2, 10],
      ],
    );
    const error = await errorOf(job.result());
    ok(CommandError.is(error, "CRASHED"), String(error));
    ok(error.message.includes("never came to an end"), error.message);
  },
);

bothStreams(
  "an event that outlives one instance after the other is a dead letter in the end",
  async (buses) => {
    let begun = 0;
    const endless = on("order.*", { exclusive: true, retry, from: "all" }, (event, ctx) => {
      begun++;
      return hang(event, ctx);
    });
    await createClient({ bus: buses.client }).publish("order.made", {});
    let rounds = 0;
    while ((await letters(buses)).length === 0) {
      ok(++rounds <= 12, "it goes on and on");
      const before = begun;
      const service = await buses.serve("shop", [endless], { singleActive });
      await until(async () => begun > before || (await letters(buses)).length > 0);
      await service.stop({ graceMs: 0 });
    }
    const [letter] = await createClient({ bus: buses.client }).listDeadLetters();
    deepStrictEqual([letter!.reason, letter!.error.code], ["crashed", "CRASHED"]);
    // Three are its attempts; then it is a suspect, of which it is noted that it begins, three times.
    strictEqual(begun, 6);
  },
);
