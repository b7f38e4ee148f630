// Sending where it cannot be: a full queue, no streams, a bus that is away or closed.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  AegisError,
  ClosedError,
  command,
  connect,
  createClient,
  createService,
  QueueFullError,
  UnavailableError,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, outcome, SLACK_MS, until, wayTo } from "../nats/outage_tools.ts";
import { bothStreams, errorOf } from "./buses.ts";

bothStreams(
  "a full queue refuses what is new, loses nothing and keeps no record of it",
  async (buses) => {
    const bus = await buses.open({ streams: { commands: { maxMessages: 2 } } });
    const client = createClient({ bus });
    const jobs = [];
    for (const id of ["a", "b"]) jobs.push(await client.send("jobs", "work", { id }, { id }));
    for (const options of [{ id: "c" }, {}]) {
      const error = await errorOf(client.send("jobs", "work", { id: "c" }, options));
      ok(QueueFullError.is(error), `${error}`);
    }
    ok(AegisError.is(await errorOf(client.command("c")), "COMMAND_NOT_FOUND"));
    const ran: unknown[] = [];
    await buses.serve("jobs", [
      command("work", ({ payload }) => {
        ran.push((payload as { id: string }).id);
        return payload;
      }),
    ], { bus });
    deepStrictEqual(await Promise.all(jobs.map((job) => job.result())), [{ id: "a" }, { id: "b" }]);
    // The same id is free again.
    const again = await client.send("jobs", "work", { id: "c" }, { id: "c" });
    deepStrictEqual(await again.result(), { id: "c" });
    deepStrictEqual(ran.toSorted(), ["a", "b", "c"]);
  },
);

bothStreams(
  "a queue that is full for one who sends again leaves the first one's record",
  async (buses) => {
    const bus = await buses.open({ streams: { commands: { maxMessages: 1 } } });
    const client = createClient({ bus });
    const job = await client.send("jobs", "work", {}, { id: "a" });
    const again = await client.send("jobs", "work", {}, { id: "a" });
    strictEqual((await again.status()).state, "pending");
    await buses.serve("jobs", [command("work", () => "done")], { bus });
    deepStrictEqual(await Promise.all([job.result(), again.result()]), ["done", "done"]);
  },
);

test("without JetStream it is said at once how to have it", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const client = createClient({ bus });
  for (const asked of [client.send("jobs", "work"), client.command("a")].map(errorOf)) {
    const error = await asked;
    ok(AegisError.is(error, "JETSTREAM_DISABLED"), `${error}`);
  }
  const service = createService("jobs", { bus, handlers: [command("work", () => 1)] });
  ok(AegisError.is(await errorOf(service.start()), "JETSTREAM_DISABLED"));
});

test("a bus that is away for the whole time is said, and that nothing was sent", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using there = await connect({ servers: server.url, logger });
  const client = createClient({ bus });
  await using service = createService("jobs", { bus: there, handlers: [command("work", () => 1)] });
  await service.start();
  strictEqual(await (await client.send("jobs", "work")).result(), 1);
  await way.cut();
  await until("away", () => bus.status === "reconnecting");
  // Also to one that was never sent to before.
  const sendings = [
    client.send("jobs", "work", {}, { id: "a" }),
    client.send("others", "work", {}, { id: "b" }),
  ].map(outcome);
  const reason = new Error("enough");
  const given = new AbortController();
  const taken = outcome(client.send("jobs", "work", {}, { id: "c", signal: given.signal }));
  given.abort(reason);
  strictEqual((await taken).error, reason);
  for (const { error, ms } of await Promise.all(sendings)) {
    ok(UnavailableError.is(error), `${error}`);
    strictEqual(error.details.sent, false);
    ok(ms >= 4_900 && ms < 5_000 + SLACK_MS, `${ms}`);
  }
  await way.mend();
  await until("back", () => bus.status === "connected");
  for (const id of ["a", "b", "c"]) {
    ok(AegisError.is(await errorOf(client.command(id)), "COMMAND_NOT_FOUND"), id);
  }
});

test("what is sent while the bus is away goes out when it is back, also to a new service", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using there = await connect({ servers: server.url, logger });
  await using service = createService("jobs", {
    bus: there,
    handlers: [command("work", ({ payload }) => payload)],
  });
  await service.start();
  const client = createClient({ bus });
  for (let n = 0; n < 2; n++) {
    await way.cut();
    await until("away", () => bus.status === "reconnecting");
    const sending = client.send("jobs", "work", { n });
    await way.mend();
    deepStrictEqual(await (await sending).result(), { n });
  }
});

test("a bus that is closed while it is away ends what is sent", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  const bus = await connect({ servers: way.url, logger });
  const client = createClient({ bus });
  await client.send("jobs", "work");
  await way.cut();
  await until("away", () => bus.status === "reconnecting");
  const sending = errorOf(client.send("jobs", "work"));
  await bus.close();
  const error = await sending;
  ok(ClosedError.is(error), `${error}`);
  strictEqual(error.details.sent, false);
});
