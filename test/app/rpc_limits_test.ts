// Concurrency: how many calls run at once, how many wait, and what the others are told.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type AegisError, createClient, rpc, UnavailableError } from "../../mod.ts";
import { arrived, both, until } from "./buses.ts";

/** A handler that counts how many of it run at once, until it is let go. */
function counting(method: string, concurrency?: number) {
  const gate = Promise.withResolvers<void>();
  const seen = { running: 0, most: 0, ran: 0, open: () => gate.resolve() };
  const handler = rpc(method, concurrency === undefined ? {} : { concurrency }, async () => {
    seen.ran++;
    seen.most = Math.max(seen.most, ++seen.running);
    await gate.promise;
    seen.running--;
    return "done";
  });
  return { seen, handler };
}

const codeOf = (outcome: PromiseSettledResult<unknown>): unknown =>
  outcome.status === "fulfilled" ? outcome.value : (outcome.reason as AegisError).code;

both(
  "concurrency bounds what runs, ten times as many wait, the others hear BUSY",
  async (buses) => {
    const { seen, handler } = counting("work", 2);
    await buses.serve("shop", [handler]);
    const caller = createClient({ bus: buses.client });
    let busy = 0;
    const calls = Array.from({ length: 30 }, () =>
      caller.call("shop", "work").catch((error) => {
        busy++;
        throw error;
      }));
    const settled = Promise.allSettled(calls);
    await until(() => busy === 8);
    strictEqual(seen.most, 2);
    seen.open();
    const codes = (await settled).map(codeOf);
    deepStrictEqual(codes, [...Array(22).fill("done"), ...Array(8).fill("BUSY")]);
    deepStrictEqual([seen.most, seen.ran], [2, 22]);
  },
);

both("BUSY is an UnavailableError that says that nothing was run", async ({ client, serve }) => {
  const { seen, handler } = counting("work", 1);
  await serve("shop", [handler]);
  const caller = createClient({ bus: client });
  const errors: unknown[] = [];
  const settled = Promise.all(
    Array.from({ length: 12 }, () => caller.call("shop", "work").catch((e) => errors.push(e))),
  );
  await until(() => errors.length === 1);
  seen.open();
  await settled;
  const [error] = errors;
  ok(error instanceof UnavailableError);
  deepStrictEqual([error.code, error.details.sent], ["BUSY", false]);
  ok(error.message.includes("shop.work"), error.message);
});

both("those that wait are run in the order of their coming", async ({ client, serve }) => {
  const ran: number[] = [];
  await serve("shop", [
    rpc("work", { concurrency: 1 }, async (params) => {
      ran.push((params as { n: number }).n);
      await Promise.resolve();
    }),
  ]);
  const caller = createClient({ bus: client });
  await Promise.all(Array.from({ length: 11 }, (_, n) => caller.call("shop", "work", { n })));
  deepStrictEqual(ran, Array.from({ length: 11 }, (_, n) => n));
});

both("a limit of one method does not hold up another", async ({ client, serve }) => {
  const { seen, handler } = counting("work", 1);
  await serve("shop", [handler, rpc("free", () => "free")]);
  const caller = createClient({ bus: client });
  const working = [caller.call("shop", "work"), caller.call("shop", "work")];
  strictEqual(await caller.call("shop", "free"), "free");
  seen.open();
  await Promise.all(working);
});

both("the concurrency of a service bounds all its methods together", async (buses) => {
  const one = counting("one");
  const two = counting("two");
  await buses.serve("shop", [one.handler, two.handler], { concurrency: 2 });
  const caller = createClient({ bus: buses.client });
  let busy = 0;
  const settled = Promise.allSettled(
    Array.from(
      { length: 25 },
      (_, n) =>
        caller.call("shop", n % 2 === 0 ? "one" : "two").catch((error) => {
          busy++;
          throw error;
        }),
    ),
  );
  await until(() => busy === 3);
  strictEqual(one.seen.running + two.seen.running, 2);
  one.seen.open();
  two.seen.open();
  const codes = (await settled).map(codeOf);
  deepStrictEqual(codes, [...Array(22).fill("done"), ...Array(3).fill("BUSY")]);
  ok(one.seen.most <= 2 && two.seen.most <= 2);
});

both("a handler that fails gives its turn back", async ({ client, serve }) => {
  let runs = 0;
  await serve("shop", [
    rpc("sync", { concurrency: 1 }, () => {
      runs++;
      throw new Error("no");
    }),
    rpc("async", { concurrency: 1 }, async () => {
      runs++;
      await Promise.resolve();
      throw new Error("no");
    }),
  ], { concurrency: 1 });
  const caller = createClient({ bus: client });
  for (let i = 0; i < 5; i++) {
    await Promise.allSettled([caller.call("shop", "sync"), caller.call("shop", "async")]);
  }
  strictEqual(runs, 10);
});

both(
  "a call that gave up in the queue of its service leaves the turn at its method",
  async (buses) => {
    const blocking = counting("block");
    const ran: unknown[] = [];
    const work = rpc("work", { concurrency: 1 }, (params) => {
      ran.push((params as { n: number }).n);
    });
    await buses.serve("shop", [blocking.handler, work], { concurrency: 1 });
    const caller = createClient({ bus: buses.client });
    const long = { timeoutMs: 4_000 };
    const held = [caller.call("shop", "block", {}, long)];
    await until(() => blocking.seen.running === 1);
    // The queue of the service: nine that block, and one that will give up and holds the one turn at its method.
    const gaveUp = new AbortController();
    const lost = caller.call("shop", "work", { n: 1 }, { signal: gaveUp.signal, ...long });
    for (let i = 0; i < 9; i++) held.push(caller.call("shop", "block", {}, long));
    // Behind it, at the method, one that waits for that turn.
    held.push(caller.call("shop", "work", { n: 2 }, long));
    await arrived(buses);
    gaveUp.abort();
    await lost.catch(() => {});
    await arrived(buses);
    // One more makes the full queue look for those that gave up.
    const more = caller.call("shop", "block", {}, long).catch((error: AegisError) => error.code);
    await arrived(buses);
    blocking.seen.open();
    await Promise.all(held);
    ok(["done", "BUSY"].includes(String(await more)));
    deepStrictEqual(ran, [2]);
    // Its turns are all back: two at once are one that runs and one that waits, again and again.
    for (let n = 3; n < 9; n += 2) {
      await Promise.all([caller.call("shop", "work", { n }), caller.call("shop", "work", { n })]);
    }
    strictEqual(ran.length, 7);
  },
);

both(
  "of a thousand calls none is lost between the limits of methods and service",
  async (buses) => {
    let running = 0;
    let most = 0;
    const handler = (method: string, concurrency: number) =>
      rpc(method, { concurrency }, async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        running--;
        return "done";
      });
    const service = await buses.serve("shop", [handler("a", 3), handler("b", 5), handler("c", 1)], {
      concurrency: 4,
    });
    const caller = createClient({ bus: buses.client });
    const outcomes = new Map<unknown, number>();
    await Promise.all(Array.from({ length: 1_000 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n / 2));
      const options = n % 7 === 0
        ? { signal: AbortSignal.timeout(1 + n % 5) }
        : { timeoutMs: n % 5 === 0 ? 6 : 4_000 };
      const outcome = await caller.call<unknown>("shop", "abc"[n % 3]!, {}, options)
        .catch((error: AegisError) => error.code);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }));
    ok(most <= 4, `${most} at once`);
    const abortCode = new DOMException("", "TimeoutError").code;
    const known = ["done", "BUSY", "TIMEOUT", abortCode];
    deepStrictEqual(
      [...outcomes.keys()].filter((outcome) => !known.includes(outcome as string)),
      [],
    );
    await until(() => running === 0);
    for (const method of ["a", "b", "c"]) {
      strictEqual(await caller.call("shop", method), "done", method);
    }
    strictEqual((await service.health()).inFlight, 0);
  },
);
