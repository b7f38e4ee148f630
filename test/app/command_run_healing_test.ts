// Commands go on by themselves: after a lost consumer, queue or bucket, and health() says what is wrong in between.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { command, createClient, type Service } from "../../mod.ts";
import { commandDurable, commandStream, RECORDS_STREAM } from "../../src/domain/command_subject.ts";
import type { Streams } from "../../src/ports/stream.ts";
import { bothStreams, until } from "./buses.ts";

/** Removes a stream in the only way that the port has: as somebody else who knows the broker's own. */
async function removeConsumers(streams: Streams, stream: string): Promise<void> {
  for (const name of await streams.admin.consumers(stream)) {
    await streams.admin.deleteConsumer(stream, name);
  }
}

bothStreams(
  "consumers that are deleted are made again, and each command runs once",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    const runs = new Map<string, number>();
    const service = await buses.serve("svc", [
      // Long enough for a busy machine: the new consumer delivers at once what runs.
      command("work", { concurrency: 4, ackWaitMs: 5_000 }, async ({ id }) => {
        runs.set(id, (runs.get(id) ?? 0) + 1);
        await gate.promise;
        return id;
      }),
    ]);
    const { send } = createClient({ bus: buses.client });
    const jobs = await Promise.all(Array.from({ length: 10 }, () => send("svc", "work")));
    await until(() => runs.size === 4);
    await removeConsumers(await buses.streams(), commandStream("svc"));
    await until(() => said(buses.logs, commandDurable("svc", "work", "normal")));
    await until(async () => (await service.health()).ok);
    // Those that run are delivered again by the new consumer, and stay where they are.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    deepStrictEqual(new Set(runs.values()), new Set([1]));
    gate.resolve();
    for (const job of jobs) strictEqual(await job.result({ timeoutMs: 5_000 }), job.id);
    deepStrictEqual([runs.size, ...new Set(runs.values())], [10, 1]);
  },
);

bothStreams("records that are gone are written anew, and what runs is stored", async (buses) => {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  await buses.serve("svc", [
    command("work", { retry: { initialDelayMs: 1 } }, async ({ payload }, ctx) => {
      begun++;
      await gate.promise;
      if ((payload as { again?: boolean }).again && begun < 4) throw new Error("again");
      return ctx.attempt;
    }),
  ]);
  const { send } = createClient({ bus: buses.client });
  const jobs = [await send("svc", "work"), await send("svc", "work", { again: true })];
  await until(() => begun === 2);
  const { store } = await buses.streams();
  // As somebody does who clears the bucket by its tools.
  for (const job of jobs) {
    const subject = `$KV.${RECORDS_STREAM.slice(3)}.${job.id}`;
    await store.publish(subject, "", { "KV-Operation": "PURGE" }, 1_000);
  }
  gate.resolve();
  const records = async () =>
    await Promise.all(jobs.map((job) => job.status().catch(() => undefined)));
  await until(async () => (await records()).every((record) => record?.state === "completed"));
  deepStrictEqual((await records()).map((record) => record!.command), ["work", "work"]);
});

bothStreams(
  "health tells of each command: what waits, what runs, and that all is well",
  async (buses) => {
    const gate = Promise.withResolvers<void>();
    let begun = 0;
    const service = await buses.serve("svc", [
      command("work", { concurrency: 2 }, async () => {
        begun++;
        await gate.promise;
      }),
      command("other", () => 1),
    ]) as unknown as Service;
    const { send } = createClient({ bus: buses.client });
    const jobs = await Promise.all(Array.from({ length: 5 }, () => send("svc", "work")));
    await until(() => begun === 2);
    const { ok: well, inFlight, commands } = await service.health();
    deepStrictEqual([well, inFlight], [true, 2]);
    deepStrictEqual(
      commands.map(({ command, ok, stream, inFlight }) => [command, ok, stream, inFlight]),
      [["work", true, "COMMANDS_svc", 2], ["other", true, "COMMANDS_svc", 0]],
    );
    gate.resolve();
    for (const job of jobs) await job.result();
    await until(async () => (await service.health()).inFlight === 0);
  },
);

function said(logs: readonly { level: string; message: string }[], what: string): boolean {
  return logs.some(({ level, message }) => level === "warn" && message.includes(what));
}

bothStreams(
  "a worker that is told no more of a running command by its record lets it go on",
  async (buses) => {
    // A sender that sends the same id twice while it runs gets the same result, and it runs once.
    const gate = Promise.withResolvers<void>();
    let begun = 0;
    await buses.serve("svc", [
      command("work", async () => {
        begun++;
        await gate.promise;
        return begun;
      }),
    ]);
    const { send } = createClient({ bus: buses.client });
    const first = await send("svc", "work", {}, { id: "same" });
    await until(() => begun === 1);
    const second = await send("svc", "work", {}, { id: "same" });
    gate.resolve();
    deepStrictEqual(await Promise.all([first.result(), second.result()]), [1, 1]);
    ok(begun === 1);
  },
);
