// Ids of commands: what is sent twice with one runs once, and both senders get what it comes to.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Client, command, ConflictError, createClient } from "../../mod.ts";
import { bothStreams, type Buses, errorOf, until } from "./buses.ts";
import { gate } from "../nats/outage_tools.ts";

/** A service that counts how often it runs, and takes its time where it is told to. */
async function counting(buses: Buses, wait = Promise.resolve()): Promise<{ runs: number }> {
  const counted = { runs: 0 };
  await buses.serve("jobs", [
    command("work", async ({ payload }) => {
      counted.runs++;
      await wait;
      return payload;
    }),
    command("other", () => "other"),
  ]);
  return counted;
}

/** Has seen all that is in the queue: what is sent now comes behind it. */
async function drained(client: Client): Promise<void> {
  await (await client.send("jobs", "work", { last: true })).result();
}

bothStreams("what one bus sends twice with one id runs once", async (buses) => {
  const counted = await counting(buses);
  const client = createClient({ bus: buses.client });
  const one = await client.send("jobs", "work", { n: 1 }, { id: "a" });
  const two = await client.send("jobs", "work", { n: 1 }, { id: "a" });
  deepStrictEqual([one.id, two.id], ["a", "a"]);
  deepStrictEqual(await Promise.all([one.result(), two.result()]), [{ n: 1 }, { n: 1 }]);
  await drained(client);
  strictEqual(counted.runs, 2);
});

bothStreams(
  "what many buses send at once with one id runs once, and all get the result",
  async (buses) => {
    const counted = await counting(buses);
    const opened = await Promise.all(Array.from({ length: 4 }, () => buses.open()));
    const clients = [buses.client, ...opened].map((bus) => createClient({ bus }));
    const results = await Promise.all(
      clients.flatMap((client) =>
        Array.from({ length: 5 }, async () => {
          const job = await client.send("jobs", "work", { n: 1 }, { id: "a" });
          return await job.result();
        })
      ),
    );
    deepStrictEqual(results, results.map(() => ({ n: 1 })));
    await drained(clients[0]!);
    strictEqual(counted.runs, 2);
  },
);

bothStreams("what is sent again while it runs joins it", async (buses) => {
  const { arrived, arrive, open, opened } = gate();
  let runs = 0;
  await buses.serve("jobs", [
    command("work", async (_command, ctx) => {
      runs++;
      await ctx.progress(40, "going");
      arrive();
      await opened;
      return "done";
    }),
  ]);
  const client = createClient({ bus: buses.client });
  const one = await client.send("jobs", "work", {}, { id: "a" });
  await arrived;
  const two = await createClient({ bus: await buses.open() }).send("jobs", "work", {}, { id: "a" });
  strictEqual((await two.status()).state, "running");
  open();
  deepStrictEqual(await Promise.all([one.result(), two.result()]), ["done", "done"]);
  strictEqual(runs, 1);
});

bothStreams("what is sent again after it has ended gives what it came to", async (buses) => {
  const counted = await counting(buses);
  const client = createClient({ bus: buses.client });
  await (await client.send("jobs", "work", { n: 1 }, { id: "a" })).result();
  for (const bus of [buses.client, await buses.open()]) {
    const again = await createClient({ bus }).send("jobs", "work", { n: 2 }, { id: "a" });
    deepStrictEqual(await again.result(), { n: 1 });
  }
  await drained(client);
  strictEqual(counted.runs, 2);
});

bothStreams("what is sent again with the id of a handle joins that", async (buses) => {
  const { open, opened } = gate();
  const counted = await counting(buses, opened);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", { n: 1 });
  const again = await client.send("jobs", "work", { n: 1 }, { id: job.id });
  const results = [job.result(), again.result()];
  open();
  deepStrictEqual(await Promise.all(results), [{ n: 1 }, { n: 1 }]);
  strictEqual(counted.runs, 1);
});

bothStreams("messages of one command that are stored twice run once", async (buses) => {
  // As after the window in which the stream knows ids.
  const { arrived, arrive, open, opened } = gate();
  let runs = 0;
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", { n: 1 }, { id: "a" });
  const { admin, store } = await buses.streams();
  const stored = await store.read("COMMANDS_jobs", 1, "commands.jobs.work");
  const { "Nats-Msg-Id": _id, ...headers } = stored!.headers;
  for (const subject of ["commands.jobs.work", "commands.jobs.work.high"]) {
    await store.publish(subject, stored!.data, headers, 2_000);
  }
  const handlers = [
    command("work", async ({ payload }) => {
      runs++;
      arrive();
      await opened;
      return payload;
    }),
    command("after", () => "after"),
  ];
  await buses.serve("jobs", handlers);
  await arrived;
  // What the first instance hands back another one may take.
  await buses.serve("jobs", handlers, { bus: await buses.open() });
  await until(async () => (await admin.stream("COMMANDS_jobs"))!.messages === 1);
  await (await client.send("jobs", "after", {}, { priority: "low" })).result();
  open();
  deepStrictEqual(await job.result(), { n: 1 });
  await until(async () => (await admin.stream("COMMANDS_jobs"))?.messages === 0);
  deepStrictEqual([runs, (await job.status()).attempts], [1, 1]);
});

bothStreams("another command with an id that is taken is a conflict", async (buses) => {
  const counted = await counting(buses);
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", { n: 1 }, { id: "a" });
  for (const [service, name] of [["jobs", "other"], ["others", "work"]] as const) {
    const error = await errorOf(client.send(service, name, {}, { id: "a" }));
    ok(ConflictError.is(error), `${error}`);
    ok(error.message.includes("work of jobs was sent with it"), error.message);
    deepStrictEqual(error.details, { id: "a", service: "jobs", command: "work" });
  }
  deepStrictEqual(await job.result(), { n: 1 });
  strictEqual(counted.runs, 1);
});

bothStreams(
  "what was lost on the way to its queue is sent by whoever sends it again",
  async (buses) => {
    const counted = await counting(buses);
    const client = createClient({ bus: buses.client });
    const { store } = await buses.streams();
    // The record that a sender writes before it publishes, and then ends.
    const record = {
      command_id: "a",
      service: "jobs",
      command: "work",
      priority: "normal",
      state: "pending",
      attempts: 0,
      max_retries: 3,
      timeout_ms: 300_000,
      percent: 0,
      created_at: 1,
      updated_at: 1,
    };
    await drained(client);
    await store.publish("$KV.command_records.a", JSON.stringify(record), {}, 2_000);
    const found = await client.command("a");
    strictEqual((await found.status()).state, "pending");
    const job = await client.send("jobs", "work", { n: 1 }, { id: "a" });
    deepStrictEqual(await job.result(), { n: 1 });
    deepStrictEqual(await found.result(), { n: 1 });
    strictEqual(counted.runs, 2);
  },
);

bothStreams(
  "once its record was removed an id is free again, in time of the window too",
  async (buses) => {
    const counted = await counting(buses);
    const client = createClient({ bus: buses.client });
    await (await client.send("jobs", "work", { n: 1 }, { id: "a" })).result();
    const { store } = await buses.streams();
    await store.publish("$KV.command_records.a", "", { "KV-Operation": "PURGE" }, 2_000);
    const job = await client.send("jobs", "work", { n: 2 }, { id: "a" });
    deepStrictEqual(await job.result({ timeoutMs: 4_000 }), { n: 2 });
    strictEqual(counted.runs, 2);
  },
);

bothStreams("once its record has outlived its time an id is free again", async (buses) => {
  const streams = { commandRecords: { maxAgeMs: 300 } };
  const bus = await buses.open({ streams });
  let runs = 0;
  await buses.serve("jobs", [command("work", () => ++runs)], { bus });
  const client = createClient({ bus });
  const job = await client.send("jobs", "work", {}, { id: "a" });
  strictEqual(await job.result(), 1);
  await until(async () => await client.command("a").then(() => false, () => true));
  const again = await client.send("jobs", "work", {}, { id: "a" });
  strictEqual(await again.result({ timeoutMs: 4_000 }), 2);
});

bothStreams("an id may be any text", async (buses) => {
  const counted = await counting(buses);
  const client = createClient({ bus: buses.client });
  const other = createClient({ bus: await buses.open() });
  const ids = [
    "order 7/ä",
    "a.b.c",
    ".",
    "*",
    ">",
    "=20",
    " ",
    "💡".repeat(32),
    "x".repeat(128),
    "\n",
  ];
  for (const id of ids) {
    const job = await client.send("jobs", "work", { id }, { id });
    strictEqual(job.id, id);
    deepStrictEqual(await job.result(), { id });
    const found = await other.command(id);
    deepStrictEqual([found.id, await found.result()], [id, { id }]);
    strictEqual((await found.status()).id, id);
  }
  strictEqual(counted.runs, ids.length);
});
