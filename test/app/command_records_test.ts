// Records of commands: written on condition, read as the bucket's leader has them, and kept as long as their bucket says.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as dial } from "@nats-io/transport-node";
import {
  AegisError,
  command,
  connect,
  createClient,
  createService,
  SerializationError,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger } from "../nats/outage_tools.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

bothStreams("the bucket of records is a bucket as the tools of NATS know it", async (buses) => {
  const client = createClient({ bus: buses.client });
  const job = await client.send("jobs", "work", { n: 1 }, { id: "a b" });
  const { admin, store } = await buses.streams();
  const state = await admin.stream("KV_command_records");
  const { subjects, maxMessagesPerSubject, bucket, maxAgeMs, retention } = state!.config;
  deepStrictEqual(
    { subjects, maxMessagesPerSubject, bucket, maxAgeMs, retention },
    {
      subjects: ["$KV.command_records.>"],
      maxMessagesPerSubject: 1,
      bucket: true,
      maxAgeMs: 7 * 86_400_000,
      retention: "limits",
    },
  );
  const stored = await store.last("KV_command_records", "$KV.command_records.a=20b");
  const value = JSON.parse(new TextDecoder().decode(stored!.data));
  deepStrictEqual([value.command_id, value.state, value.service], ["a b", "pending", "jobs"]);
  strictEqual("payload" in value, false);
  strictEqual(job.id, "a b");
});

bothStreams(
  "the queue of a service is a work queue that refuses what is new when it is full",
  async (buses) => {
    await createClient({ bus: buses.client }).send("jobs", "work");
    const { admin } = await buses.streams();
    const { subjects, retention, discard, maxAgeMs } =
      (await admin.stream("COMMANDS_jobs"))!.config;
    deepStrictEqual(
      { subjects, retention, discard, maxAgeMs },
      { subjects: ["commands.jobs.>"], retention: "workqueue", discard: "new", maxAgeMs: 0 },
    );
  },
);

bothStreams("how long records are kept may be chosen", async (buses) => {
  const bus = await buses.open({ streams: { commandRecords: { maxAgeMs: 400 } } });
  await buses.serve("jobs", [command("work", () => 1)], { bus });
  const client = createClient({ bus });
  const job = await client.send("jobs", "work");
  strictEqual(await job.result(), 1);
  strictEqual((await job.status()).state, "completed");
  await until(async () => await job.status().then(() => false, () => true));
  ok(AegisError.is(await errorOf(job.status()), "COMMAND_NOT_FOUND"));
  // Whoever has heard the result still has it.
  strictEqual(await job.result(), 1);
});

bothStreams("a record that nobody can read is said, and not waited for", async (buses) => {
  const client = createClient({ bus: buses.client });
  const { id } = await client.send("jobs", "work", {}, { id: "a" });
  const job = await client.command(id);
  const { store } = await buses.streams();
  for (const body of ["[]", '{"state":"pending"}', "{"]) {
    await store.publish("$KV.command_records.a", body, {}, 2_000);
    for (
      const asked of [job.result(), job.status(), job.cancel(), client.command(id)].map(errorOf)
    ) {
      const error = await asked;
      ok(SerializationError.is(error), `${body}: ${error}`);
      ok(error.message.includes("record of command a"), error.message);
    }
  }
});

test("a bucket that was deleted is made again by whoever needs it", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using service = createService("jobs", {
    bus,
    handlers: [command("work", ({ payload }) => payload)],
  });
  await service.start();
  const client = createClient({ bus });
  const job = await client.send("jobs", "work", { n: 1 });
  deepStrictEqual(await job.result(), { n: 1 });
  await deleteStream(server.url, "KV_command_records");
  ok(AegisError.is(await errorOf(job.status()), "COMMAND_NOT_FOUND"));
  ok(AegisError.is(await errorOf(client.command(job.id)), "COMMAND_NOT_FOUND"));
  await deleteStream(server.url, "KV_command_records");
  const again = await client.send("jobs", "work", { n: 2 });
  deepStrictEqual(await again.result(), { n: 2 });
  strictEqual((await again.status()).state, "completed");
  await deleteStream(server.url, "COMMANDS_jobs");
  const third = await client.send("jobs", "work", { n: 3 });
  deepStrictEqual(await third.result(), { n: 3 });
});

async function deleteStream(servers: string, name: string): Promise<void> {
  const connection = await dial({ servers });
  await (await jetstreamManager(connection)).streams.delete(name);
  await connection.close();
}
