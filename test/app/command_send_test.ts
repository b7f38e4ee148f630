// Sending commands: what arrives at the handler, what comes back, and what is wrong with what is sent.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import {
  AegisError,
  command,
  createClient,
  type ReceivedCommand,
  SerializationError,
  UnavailableError,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

bothStreams("a command is sent, tells how far it is, and gives its result", async (buses) => {
  // Of steps that come faster than they are taken the last one is given.
  const seen = [25, 50, 100].map((percent) => ({ percent, ...Promise.withResolvers<void>() }));
  const work = command("work", async ({ payload }, ctx) => {
    for (const { percent, promise } of seen) {
      await ctx.progress(percent, `at ${percent}`, { percent });
      await promise;
    }
    return { payload };
  });
  const service = await buses.serve("jobs", [work]);
  const jobs = createClient({ bus: buses.client }).service<typeof service>("jobs");
  const job = await jobs.send("work", { text: "Grüße 💡" });
  deepStrictEqual([job.service, job.command], ["jobs", "work"]);
  const steps = [];
  for await (const step of job.progress()) seen[steps.push(step) - 1]?.resolve();
  deepStrictEqual(
    steps,
    [25, 50, 100].map((percent) => ({ percent, status: `at ${percent}`, data: { percent } })),
  );
  deepStrictEqual(await job.result(), { payload: { text: "Grüße 💡" } });
});

bothStreams("the handler sees what was sent, and who sent it", async (buses) => {
  const got: ReceivedCommand[] = [];
  await buses.serve("jobs", [command("work", (received) => void got.push(received))]);
  const client = createClient({ bus: buses.client });
  const before = Date.now();
  const job = await client.send("jobs", "work", { n: 1 }, {
    priority: "high",
    timeoutMs: 1_500,
    maxRetries: 7,
  });
  strictEqual(await job.result(), null);
  const { timestamp, traceId, ...rest } = got[0]!;
  deepStrictEqual(rest, {
    id: job.id,
    command: "work",
    payload: { n: 1 },
    priority: "high",
    maxRetries: 7,
    timeoutMs: 1_500,
    source: "client",
    correlationId: null,
  });
  ok(Math.abs(Date.parse(timestamp) - before) < 5_000);
  match(traceId, /^[0-9a-f-]{32,36}$/);
});

bothStreams("without a payload it is an empty object", async (buses) => {
  await buses.serve("jobs", [command("work", ({ payload }) => payload)]);
  const job = await createClient({ bus: buses.client }).send("jobs", "work");
  deepStrictEqual(await job.result(), {});
});

bothStreams(
  "a handler that returns nothing gives null, to the sender and to others",
  async (buses) => {
    await buses.serve("jobs", [command("work", () => {})]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work");
    strictEqual(await job.result(), null);
    strictEqual((await job.status()).result, null);
    const other = await createClient({ bus: await buses.open() }).command(job.id);
    strictEqual(await other.result(), null);
  },
);

bothStreams("a result arrives as JSON has it, also from its record", async (buses) => {
  const at = new Date(0);
  await buses.serve("jobs", [command("work", () => ({ at, none: undefined, list: [undefined] }))]);
  const job = await createClient({ bus: buses.client }).send("jobs", "work");
  const expected = { at: at.toISOString(), list: [null] };
  deepStrictEqual(await job.result(), expected);
  const other = await createClient({ bus: await buses.open() }).command(job.id);
  deepStrictEqual(await other.result(), expected);
});

bothStreams("an object with toJSON() is sent as what that gives", async (buses) => {
  await buses.serve("jobs", [command("work", ({ payload }) => payload)]);
  const client = createClient({ bus: buses.client });
  class Order {
    toJSON(): object {
      return { id: "1" };
    }
  }
  deepStrictEqual(await (await client.send("jobs", "work", new Order())).result(), { id: "1" });
  await rejects(
    client.send("jobs", "work", new Date()),
    /TypeError: .*toJSON\(\) must give a plain/,
  );
});

bothStreams(
  "a bus that writes MessagePack sends, records and gets results in it",
  async (buses) => {
    const bus = await buses.open({ codec: msgpack() });
    await buses.serve("jobs", [
      command("work", async ({ payload }, ctx) => {
        await ctx.progress(50, "half", { a: 1 });
        return payload;
      }),
    ]);
    const job = await createClient({ bus }).send("jobs", "work", { big: 2n ** 60n });
    deepStrictEqual(await job.result(), { big: 2n ** 60n });
    const record = await job.status();
    deepStrictEqual(
      [record.state, record.result, record.error, record.status, record.data],
      ["completed", { big: 2n ** 60n }, undefined, "half", { a: 1 }],
    );
  },
);

bothStreams(
  "what a payload cannot be is said where it is sent, and nothing is left of it",
  async (buses) => {
    await buses.serve("jobs", [command("work", () => 1)]);
    const client = createClient({ bus: buses.client });
    for (const payload of [null, 5, "text", [1], true, new Map(), () => 1]) {
      await rejects(client.send("jobs", "work", payload as object), TypeError);
    }
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    for (const payload of [cycle, { n: 1n }]) {
      const error = await errorOf(client.send("jobs", "work", payload, { id: "bad" }));
      ok(SerializationError.is(error), `${error}`);
    }
    const large = await errorOf(
      client.send("jobs", "work", { text: "x".repeat(2_000_000) }, { id: "bad" }),
    );
    ok(SerializationError.is(large, "PAYLOAD_TOO_LARGE"), `${large}`);
    ok(AegisError.is(await errorOf(client.command("bad")), "COMMAND_NOT_FOUND"));
  },
);

bothStreams("names and options that cannot be are said where it is sent", async (buses) => {
  const client = createClient({ bus: buses.client });
  const bad: [object, ErrorConstructor, RegExp][] = [
    [{ piority: "high" }, TypeError, /option "piority" of send\(\).*"priority"/],
    [{ priority: "urgent" }, TypeError, /critical, high, normal, low/],
    [{ timeoutMs: 0 }, RangeError, /timeoutMs/],
    [{ timeoutMs: Infinity }, RangeError, /timeoutMs/],
    [{ timeoutMs: "5" }, TypeError, /timeoutMs/],
    [{ maxRetries: -1 }, RangeError, /maxRetries/],
    [{ maxRetries: 1.5 }, RangeError, /maxRetries/],
    [{ delayMs: -1 }, RangeError, /delayMs/],
    [{ delayMs: NaN }, RangeError, /delayMs/],
    [{ delayMs: Infinity }, RangeError, /delayMs/],
    [{ id: "" }, TypeError, /id of a command/],
    [{ id: "x".repeat(129) }, TypeError, /1 to 128 bytes/],
    [{ id: "é".repeat(65) }, TypeError, /1 to 128 bytes/],
    [{ id: "\ud800" }, TypeError, /surrogate/],
    [{ id: 5 }, TypeError, /id of a command/],
    [{ signal: {} }, TypeError, /AbortSignal/],
  ];
  for (const [options, type, message] of bad) {
    const error = await errorOf(client.send("jobs", "work", {}, options));
    ok(error instanceof type && message.test(`${error}`), `${JSON.stringify(options)}: ${error}`);
  }
  await rejects(client.send("jobs", "work", {}, 5 as unknown as object), TypeError);
  for (const name of ["", "a.b", "a b", "*", "progress", "callback", "cancel", undefined, 5]) {
    await rejects(client.send(name as string, "work"), TypeError);
  }
  for (const name of ["", "a.b", "a b", ">", undefined]) {
    await rejects(client.send("jobs", name as string), TypeError);
  }
  deepStrictEqual(await (await buses.streams()).admin.stream("COMMANDS_jobs"), undefined);
});

bothStreams(
  "a command that a known service does not serve is refused, with those that it does",
  async (buses) => {
    await buses.serve("jobs", [command("resize", () => 1), command("rotate", () => 1)]);
    const client = createClient({ bus: buses.client });
    const error = await errorOf(client.send("jobs", "rezise", {}, { id: "typo" }));
    ok(UnavailableError.is(error), `${error}`);
    ok(/rezise to jobs.*resize/.test(error.message), error.message);
    deepStrictEqual(error.details, {
      service: "jobs",
      command: "rezise",
      served: ["resize", "rotate"],
      sent: false,
    });
    ok(AegisError.is(await errorOf(client.command("typo")), "COMMAND_NOT_FOUND"));
  },
);

bothStreams(
  "a command for a service that has never been there waits for it, and that is said once",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const jobs = [];
    for (let n = 0; n < 3; n++) jobs.push(await client.send("jobs", "work", { n }));
    const warnings = buses.logs.filter(({ level, message }) =>
      level === "warn" && message.includes("Nobody has ever served commands of jobs")
    );
    strictEqual(warnings.length, 1);
    await buses.serve("jobs", [command("work", ({ payload }) => payload)]);
    deepStrictEqual(
      await Promise.all(jobs.map((job) => job.result())),
      [0, 1, 2].map((n) => ({ n })),
    );
  },
);

bothStreams("a signal ends the waiting of whoever sends", async (buses) => {
  await buses.serve("jobs", [command("work", () => 1)]);
  const client = createClient({ bus: buses.client });
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  strictEqual(await errorOf(client.send("jobs", "work", {}, { signal, id: "never" })), reason);
  ok(AegisError.is(await errorOf(client.command("never")), "COMMAND_NOT_FOUND"));
  const controller = new AbortController();
  const sending = errorOf(client.send("jobs", "work", {}, { signal: controller.signal }));
  controller.abort(reason);
  strictEqual(await sending, reason);
});

bothStreams("a command sent by a handler follows from what it handles", async (buses) => {
  const got: ReceivedCommand[] = [];
  await buses.serve("jobs", [
    command("first", async (_command, ctx) => {
      const job = await ctx.send("jobs", "second", {});
      return await job.result();
    }),
    command("second", (received) => {
      got.push(received);
      return "done";
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("jobs", "first");
  strictEqual(await job.result(), "done");
  await until(() => got.length === 1);
  deepStrictEqual([got[0]!.correlationId, got[0]!.source], [job.id, "jobs"]);
});
