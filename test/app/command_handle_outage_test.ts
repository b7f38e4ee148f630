// Handles over outages: whoever was away while a command went on gets to know what became of it.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  AegisError,
  type Bus,
  type Client,
  command,
  CommandError,
  type CommandHandle,
  connect,
  createClient,
  createService,
  type ProgressStep,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { gate, logger, until, type Way, wayTo, within } from "../nats/outage_tools.ts";

/** A sender whose way to the server can be cut, and a command that goes on when its gates open. */
async function scene(
  run: (scene: {
    readonly client: Client;
    readonly bus: Bus;
    readonly way: Way;
    readonly there: Client;
    readonly gates: ReturnType<typeof gate>[];
    away(): Promise<void>;
    back(): Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  await using other = await connect({ servers: server.url, logger });
  const gates = [gate(), gate(), gate()];
  await using service = createService("jobs", {
    bus: other,
    handlers: [
      command("work", { retry: false }, async ({ payload }, ctx) => {
        gates[0]!.arrive();
        await ctx.progress(10, "begun");
        await gates[1]!.opened;
        await ctx.progress(70, "most", { n: 7 });
        gates[2]!.arrive();
        await gates[2]!.opened;
        if ("fail" in (payload as object)) throw new Error("no");
        return "done";
      }),
    ],
  });
  await service.start();
  await run({
    client: createClient({ bus }),
    bus,
    way,
    there: createClient({ bus: other }),
    gates,
    away: async () => {
      await way.cut();
      await until("away", () => bus.status === "reconnecting");
    },
    back: async () => {
      await way.mend();
      await until("back", () => bus.status === "connected");
    },
  });
}

/** Resolves when a command has ended, as others see it. */
async function ended(there: Client, { id }: CommandHandle): Promise<void> {
  await (await there.command(id)).result().catch(() => undefined);
}

test("a result that came while the sender was away it gets on its return", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const job = await client.send("jobs", "work", {});
    const waiting = job.result();
    await gates[0]!.arrived;
    await away();
    for (const { open } of gates) open();
    await ended(there, job);
    await back();
    strictEqual(await within(5_000, "the result", waiting), "done");
  }));

test("so does one who asks only when the bus is back", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const job = await client.send("jobs", "work", {});
    await gates[0]!.arrived;
    await away();
    for (const { open } of gates) open();
    await ended(there, job);
    await back();
    strictEqual(await job.result({ timeoutMs: 5_000 }), "done");
    strictEqual((await job.status()).state, "completed");
  }));

test("and one who asks while it is away", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const job = await client.send("jobs", "work", {});
    await gates[0]!.arrived;
    await away();
    const waiting = job.result();
    for (const { open } of gates) open();
    await ended(there, job);
    await back();
    strictEqual(await within(5_000, "the result", waiting), "done");
  }));

test("a failure that came while the sender was away it gets on its return", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const job = await client.send("jobs", "work", { fail: true });
    const waiting = job.result().catch((error) => error);
    await gates[0]!.arrived;
    await away();
    for (const { open } of gates) open();
    await ended(there, job);
    await back();
    const error = await within(5_000, "the error", waiting);
    ok(CommandError.is(error), `${error}`);
    strictEqual(error.message, "no");
  }));

test("a handle that was found by its id gets its result on return too", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const sent = await there.send("jobs", "work", {});
    const job = await client.command(sent.id);
    const waiting = job.result();
    await gates[0]!.arrived;
    await away();
    for (const { open } of gates) open();
    await sent.result();
    await back();
    strictEqual(await within(5_000, "the result", waiting), "done");
  }));

test("of progress that was lost meanwhile the last step is told on return", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const job = await client.send("jobs", "work", {});
    const steps = job.progress();
    deepStrictEqual((await steps.next()).value.status, "begun");
    const next = steps.next();
    await away();
    gates[1]!.open();
    await gates[2]!.arrived;
    await until("kept", async () => (await (await there.command(job.id)).status()).percent === 70);
    await back();
    const expected: ProgressStep = { percent: 70, status: "most", data: { n: 7 } };
    deepStrictEqual((await within(5_000, "the step", next)).value, expected);
    gates[2]!.open();
    strictEqual(await job.result(), "done");
    const rest = [];
    for await (const step of steps) rest.push(step);
    deepStrictEqual(rest, []);
  }));

test("what was cancelled while the sender was away ends on its return", () =>
  scene(async ({ client, there, gates, away, back }) => {
    const job = await client.send("jobs", "work", {});
    const waiting = job.result().catch((error) => error);
    await gates[0]!.arrived;
    await away();
    await (await there.command(job.id)).cancel("meanwhile");
    await back();
    const error = await within(5_000, "the error", waiting);
    ok(AegisError.is(error, "CANCELLED"), `${error}`);
    strictEqual(error.details.reason, "meanwhile");
  }));
