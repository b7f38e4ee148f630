// Records that nobody can read: whoever has the command writes them anew, and no command comes again for ever.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { command, CommandError, createClient } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { gate } from "../nats/outage_tools.ts";
import { bothStreams, type Buses, errorOf, until } from "./buses.ts";

/** What somebody else may have written there. */
const GARBAGE: Readonly<Record<string, string | Uint8Array>> = {
  "a list": "[]",
  "no JSON": "{",
  "another record": '{"state":"pending"}',
  "no UTF-8": new Uint8Array([0x22, 0xff, 0xfe]),
  "no MessagePack": new Uint8Array([0xc1, 0, 1]),
};

async function damage(buses: Buses, id: string, body: string | Uint8Array): Promise<void> {
  const { store } = await buses.streams();
  await store.publish(`$KV.command_records.${id}`, body, {}, 2_000);
}

/** How often it was said that a record is damaged. */
function said({ logs }: Buses): number {
  return logs.filter(({ level, message }) => level === "warn" && /is damaged/.test(message)).length;
}

async function waits(buses: Buses): Promise<number> {
  const { admin } = await buses.streams();
  return (await admin.stream("COMMANDS_svc"))!.messages;
}

for (const [what, body] of Object.entries(GARBAGE)) {
  bothStreams(
    `a command whose record is ${what} runs once, and has a record again`,
    async (buses) => {
      const client = createClient({ bus: buses.client });
      const { id } = await client.send("svc", "work", { n: 1 }, { id: "a" });
      await damage(buses, id, body);
      let runs = 0;
      await buses.serve("svc", [command("work", () => ++runs)]);
      await until(async () => await waits(buses) === 0);
      const job = await client.command(id);
      strictEqual(await job.result({ timeoutMs: 4_000 }), 1);
      const { state, attempts, command: name } = await job.status();
      deepStrictEqual([state, attempts, name, runs, said(buses)], ["completed", 1, "work", 1, 1]);
    },
  );
}

bothStreams("a record that is damaged while its command runs is written anew", async (buses) => {
  const { arrived, arrive, open, opened } = gate();
  const { arrived: reported, arrive: report } = gate();
  await buses.serve("svc", [
    command("work", async (_, ctx) => {
      arrive();
      await opened;
      await ctx.progress(50, "half", { n: 1 });
      report();
      await until(async () => (await job.status().catch(() => undefined))?.percent === 50);
      await damage(buses, job.id, "again");
      return ctx.attempt;
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("svc", "work", {}, { id: "a" });
  await arrived;
  await damage(buses, job.id, "[]");
  open();
  await reported;
  // Whoever asks while it is damaged is told so.
  await until(async () => (await job.status().catch(() => undefined))?.state === "completed");
  strictEqual(await job.result({ timeoutMs: 5_000 }), 1);
  const { state, attempts, percent, data } = await job.status();
  deepStrictEqual([state, attempts, percent, data], ["completed", 1, 100, { n: 1 }]);
  await until(async () => await waits(buses) === 0);
});

bothStreams(
  "attempts are counted by deliveries where the record is damaged between them, and end",
  async (buses) => {
    const attempts: number[] = [];
    await buses.serve("svc", [
      command("work", { retry: { initialDelayMs: 200, factor: 1, jitter: 0 } }, (_, ctx) => {
        attempts.push(ctx.attempt);
        throw new Error("no");
      }),
    ]);
    const client = createClient({ bus: buses.client });
    const job = await client.send("svc", "work", {}, { id: "a", maxRetries: 2 });
    for (const attempt of [1, 2]) {
      await until(async () => {
        const record = await job.status();
        return record.state === "retrying" && record.attempts === attempt;
      });
      await damage(buses, job.id, "{");
      await until(() => attempts.length > attempt);
    }
    await until(async () => (await job.status()).state === "failed");
    deepStrictEqual(attempts, [1, 2, 3]);
    const error = await errorOf((await client.command(job.id)).result({ timeoutMs: 4_000 }));
    ok(CommandError.is(error) && error.attempts === 3, `${error}`);
    await until(async () => await waits(buses) === 0);
    const [letter, ...more] = await client.listDeadLetters();
    deepStrictEqual([letter?.attempts, more], [3, []]);
    // One that is damaged after that keeps nobody from replaying it.
    await damage(buses, job.id, "{");
    strictEqual(await client.replayDeadLetters(), 1);
    await until(() => attempts.length > 3);
  },
);

bothStreams("a command that is no command ends though its record is damaged", async (buses) => {
  await buses.serve("svc", [command("work", () => 1)]);
  const { store } = await buses.streams();
  const record = await store.publish("$KV.command_records.a", "{}", {}, 2_000);
  const headers = {
    "Nats-Msg-Id": `a:${record.sequence}`,
    "aegis-record": String(record.sequence),
  };
  await damage(buses, "a", "[]");
  await store.publish("commands.svc.work", "{not json", headers, 2_000);
  const client = createClient({ bus: buses.client });
  await until(async () => await waits(buses) === 0);
  const error = await errorOf((await client.command("a")).result({ timeoutMs: 4_000 }));
  ok(CommandError.is(error, "SERIALIZATION"), `${error}`);
  strictEqual((await client.listDeadLetters()).length, 1);
});

bothStreams(
  "a record keeps the encoding of its command, whoever writes it, so that its instances can read it",
  async (buses) => {
    const packed = createClient({ bus: await buses.open({ codec: msgpack() }) });
    const client = createClient({ bus: buses.client });
    const { store } = await buses.streams();
    const firstByte = async (id: string) =>
      (await store.last("KV_command_records", `$KV.command_records.${id}`))!.data[0]!;
    const job = await client.send("svc", "work");
    await (await packed.command(job.id)).cancel();
    strictEqual(await firstByte(job.id), 0x7b);
    const other = await packed.send("svc", "work");
    await (await client.command(other.id)).cancel();
    ok(await firstByte(other.id) >= 0x80);
    strictEqual((await other.status()).state, "cancelled");
    let fails = true;
    await buses.serve("svc", [
      command("work", { retry: false }, async () => {
        if (fails) throw new Error("no");
        return await firstByte(dead.id);
      }),
    ]);
    const dead = await client.send("svc", "work");
    await errorOf(dead.result({ timeoutMs: 4_000 }));
    fails = false;
    await packed.replayDeadLetters();
    strictEqual(await (await packed.command(dead.id)).result({ timeoutMs: 4_000 }), 0x7b);
  },
);
