// Retries: only what is safe is tried again, and only while there is time.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  AegisError,
  createClient,
  createService,
  NotActiveError,
  rpc,
  RpcError,
  TimeoutError,
  UnavailableError,
} from "../../mod.ts";
import { arrived, both, errorOf, hang } from "./buses.ts";

/** A quick policy. */
const QUICK = { attempts: 4, initialDelayMs: 1, maxDelayMs: 5 };

/** A handler that fails with what `make` gives, and counts its runs. */
function failing(make: (n: number) => unknown, idempotent = false) {
  const seen = { runs: 0 };
  const handler = rpc("work", { idempotent }, () => {
    const error = make(++seen.runs);
    if (error !== undefined) throw error;
    return seen.runs;
  });
  return { seen, handler };
}

both("a call that nobody serves is made again until somebody does", async ({ client, server }) => {
  const service = createService("shop", { bus: server, handlers: [rpc("work", () => "done")] });
  const tried: number[] = [];
  const calling = createClient({ bus: client }).call("shop", "work", {}, {
    retry: {
      attempts: 200,
      initialDelayMs: 5,
      maxDelayMs: 5,
      retryIf(error, attempt) {
        ok(error instanceof UnavailableError);
        tried.push(attempt);
        if (attempt === 3) void service.start();
        return true;
      },
    },
  });
  strictEqual(await calling, "done");
  deepStrictEqual(tried.slice(0, 3), [1, 2, 3]);
  await service.stop();
});

both("without a policy a call that nobody serves is made once", async ({ client, wire }) => {
  const messaging = await wire();
  let heard = 0;
  messaging.subscribe("rpc.nobody.work", { onMessage: () => heard++ });
  await messaging.flush();
  // The listener does not answer, so the call runs out of time: what counts is how often it was sent.
  await errorOf(createClient({ bus: client }).call("nobody", "work", {}, { timeoutMs: 100 }));
  strictEqual(heard, 1);
});

both("a call whose wait ends too late says what it had come to before", async (buses) => {
  const { seen, handler } = failing((n) => new UnavailableError(`failure ${n}`));
  await buses.serve("shop", [handler]);
  const error = await errorOf(
    createClient({ bus: buses.client }).call("shop", "work", {}, {
      timeoutMs: 150,
      idempotent: true,
      retry: {
        ...QUICK,
        retryIf() {
          // The machine is busy, and the wait ends when the time is over.
          for (const end = performance.now() + 160; performance.now() < end;);
          return true;
        },
      },
    }),
  );
  ok(error instanceof TimeoutError, `${error}`);
  strictEqual(error.message, "shop.work was not called again: the time for it is over");
  ok(error.cause instanceof UnavailableError);
  strictEqual(error.cause.message, "failure 1");
  strictEqual(seen.runs, 1);
});

both("attempts counts the first one", async ({ client }) => {
  let asked = 0;
  await errorOf(
    createClient({ bus: client }).call("nobody", "work", {}, {
      retry: { ...QUICK, retryIf: () => ++asked > 0 },
    }),
  );
  strictEqual(asked, 3);
});

for (
  const [what, make] of [
    ["an error of its own", () => new RpcError("TAKEN", "taken")],
    ["INTERNAL_ERROR", () => new Error("broken")],
    ["TIMEOUT", () => new AegisError("TIMEOUT", "too late")],
    ["SERVICE_UNAVAILABLE", () => new UnavailableError("a service that it needs is not there")],
    ["BUSY", () => new UnavailableError("a service that it needs is busy", { code: "BUSY" })],
    ["NOT_ACTIVE", () => new NotActiveError("a service that it needs stands by")],
  ] as const
) {
  both(`a handler that ran and failed is not run again: ${what}`, async ({ client, serve }) => {
    const { seen, handler } = failing(make);
    await serve("shop", [handler]);
    const caller = createClient({ bus: client });
    await errorOf(caller.call("shop", "work"));
    strictEqual(seen.runs, 1, "without a policy");
    await errorOf(caller.call("shop", "work", {}, { retry: QUICK }));
    strictEqual(seen.runs, 2, "with a policy");
  });
}

both("a handler whose nested call reached nobody is not run again", async ({ client, serve }) => {
  let runs = 0;
  await serve("shop", [
    rpc("work", async (_, ctx) => {
      runs++;
      await ctx.call("nobody", "at-all");
    }),
  ]);
  await errorOf(createClient({ bus: client }).call("shop", "work"));
  strictEqual(runs, 1);
});

both("an idempotent call is made again after INTERNAL_ERROR", async ({ client, serve }) => {
  const { seen, handler } = failing((n) => n < 3 ? new Error("broken") : undefined);
  await serve("shop", [handler]);
  const caller = createClient({ bus: client });
  strictEqual(await caller.call("shop", "work", {}, { retry: QUICK, idempotent: true }), 3);
  strictEqual(seen.runs, 3);
});

both("a method that says that it is idempotent is called again", async ({ client, serve }) => {
  const { seen, handler } = failing((n) => n < 3 ? new Error("broken") : undefined, true);
  await serve("shop", [handler]);
  const caller = createClient({ bus: client });
  strictEqual(await caller.call("shop", "work", {}, { retry: QUICK }), 3);
  strictEqual(seen.runs, 3);
});

both("an idempotent call that fails with an error of its own is not made again", async (buses) => {
  const { seen, handler } = failing(() => new RpcError("TAKEN", "taken"), true);
  await buses.serve("shop", [handler]);
  await errorOf(
    createClient({ bus: buses.client }).call("shop", "work", {}, {
      retry: QUICK,
      idempotent: true,
    }),
  );
  strictEqual(seen.runs, 1);
});

both("retry: false makes a call once, whatever happens", async ({ client, serve }) => {
  const { seen, handler } = failing(() => new Error("broken"), true);
  await serve("shop", [handler]);
  const caller = createClient({ bus: client });
  await errorOf(caller.call("shop", "work", {}, { retry: false, idempotent: true }));
  strictEqual(seen.runs, 1);
  const started = performance.now();
  await errorOf(caller.call("nobody", "work", {}, { retry: false }));
  ok(performance.now() - started < 200);
});

both("retryIf can narrow what is tried again, and not widen it", async ({ client, serve }) => {
  const asked: [string, number][] = [];
  const { seen, handler } = failing(() => new RpcError("TAKEN", "taken"));
  await serve("shop", [handler]);
  const caller = createClient({ bus: client });
  const note = (answer: boolean) => (error: unknown, attempt: number) => {
    asked.push([(error as AegisError).code, attempt]);
    return answer;
  };
  await errorOf(caller.call("shop", "work", {}, { retry: { ...QUICK, retryIf: note(true) } }));
  deepStrictEqual([seen.runs, asked], [1, []]);
  await errorOf(caller.call("nobody", "work", {}, { retry: { ...QUICK, retryIf: note(false) } }));
  deepStrictEqual(asked, [["SERVICE_UNAVAILABLE", 1]]);
});

both("retries end with the time for the call", async ({ client }) => {
  const started = performance.now();
  let attempts = 0;
  const error = await errorOf(
    createClient({ bus: client }).call("nobody", "work", {}, {
      timeoutMs: 120,
      retry: {
        attempts: 1_000,
        initialDelayMs: 10,
        maxDelayMs: 20,
        jitter: 1,
        retryIf: () => ++attempts > 0,
      },
    }),
  );
  const took = performance.now() - started;
  ok(AegisError.is(error) && ["SERVICE_UNAVAILABLE", "TIMEOUT"].includes(error.code), `${error}`);
  // The last wait may end too late, on a machine that is busy by more than a moment; all of them together take 15 s.
  ok(took < 2_000, `${took} ms`);
  ok(attempts > 3, `${attempts} attempts`);
});

both("a wait that would go beyond the time for the call is not begun", async ({ client }) => {
  const started = performance.now();
  await errorOf(
    createClient({ bus: client }).call("nobody", "work", {}, {
      timeoutMs: 1_000,
      retry: { attempts: 3, initialDelayMs: 5_000, maxDelayMs: 5_000, jitter: 0 },
    }),
  );
  ok(performance.now() - started < 500);
});

both("a signal ends the wait between attempts", async ({ client }) => {
  const controller = new AbortController();
  const error = await errorOf(
    createClient({ bus: client }).call("nobody", "work", {}, {
      signal: controller.signal,
      retry: {
        attempts: 3,
        initialDelayMs: 3_000,
        maxDelayMs: 3_000,
        jitter: 0,
        retryIf: () => {
          queueMicrotask(() => queueMicrotask(() => controller.abort("enough")));
          return true;
        },
      },
    }),
  );
  strictEqual(error, "enough");
});

both("a busy instance is tried again", async ({ client, server, serve }) => {
  const gate = Promise.withResolvers<void>();
  await serve("shop", [rpc("work", { concurrency: 1 }, () => gate.promise)]);
  const caller = createClient({ bus: client });
  const running = Promise.all(Array.from({ length: 11 }, () => caller.call("shop", "work")));
  await arrived({ client, server });
  const retried = caller.call("shop", "work", {}, {
    retry: {
      attempts: 100,
      initialDelayMs: 2,
      maxDelayMs: 2,
      retryIf(error) {
        ok(AegisError.is(error, "BUSY"));
        gate.resolve();
        return true;
      },
    },
  });
  await Promise.all([running, retried]);
});

both("a policy that cannot be is refused with its field", async ({ client, serve }) => {
  await serve("shop", [rpc("work", () => 1), rpc("hang", hang)]);
  const caller = createClient({ bus: client });
  for (
    const [retry, name, text] of [
      [{ attempts: 0 }, "RangeError", /retry\.attempts/],
      [{ attempts: 1.5 }, "RangeError", /retry\.attempts/],
      [{ attempts: "3" }, "RangeError", /retry\.attempts/],
      [{ initialDelayMs: NaN }, "RangeError", /retry\.initialDelayMs/],
      [{ jitter: 2 }, "RangeError", /retry\.jitter/],
      [{ factor: Infinity }, "RangeError", /retry\.factor/],
      [{ tries: 3 }, "TypeError", /retry\.tries/],
      [{ retryIf: true }, "TypeError", /retry\.retryIf/],
      [true, "TypeError", /"retry"/],
      [3, "TypeError", /"retry"/],
      [null, "TypeError", /"retry"/],
      [[], "TypeError", /"retry"/],
    ] as const
  ) {
    // At once, and not only when there is something to try again.
    await rejects(caller.call("shop", "work", {}, { retry: retry as never }), {
      name,
      message: text,
    }, JSON.stringify(retry));
  }
});
