// Ack waits that change: versions with other settings side by side and one after another, and nothing is run twice.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { command, createClient, on } from "../../mod.ts";
import { bothStreams, type Buses, until } from "./buses.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** A stream and a consumer of it. */
type Names = [stream: string, consumer: string];
const EVENTS: Names = ["EVENTS", "shop=order=+"];
const COMMANDS: Names = ["COMMANDS_shop", "shop=pack+normal"];

/** Instances of one service whose handlers take until they are let go, and what has begun by which of them. */
function shop(buses: Buses) {
  const gate = Promise.withResolvers<void>();
  const begun: string[] = [];
  const serve = async (
    version: string,
    ackWaitMs: number,
    instanceId = `v${version[0]}${version[2]}`,
  ) => {
    const work = (): Promise<void> => {
      begun.push(instanceId);
      return gate.promise;
    };
    const handlers = [on("order.*", { ackWaitMs }, work), command("pack", { ackWaitMs }, work)];
    return await buses.serve("shop", handlers, { version, instanceId, bus: await buses.open() });
  };
  const ackWaits = async (): Promise<(number | undefined)[]> => {
    const { admin } = await buses.streams();
    const states = [EVENTS, COMMANDS].map((names) => admin.consumer(...names));
    return (await Promise.all(states)).map((state) => state?.config.ackWaitMs);
  };
  /** One of each, and it is awaited that they have begun. */
  const give = async () => {
    const client = createClient({ bus: buses.client });
    await client.publish("order.created");
    const job = await client.send("shop", "pack");
    await until(() => begun.length === 2);
    return job;
  };
  const isDone = async (): Promise<boolean> => {
    const { admin } = await buses.streams();
    const states = await Promise.all([EVENTS, COMMANDS].map((names) => admin.consumer(...names)));
    return states.every((state) => state?.ackPending === 0);
  };
  const warnings = (): string[] =>
    buses.logs.flatMap(({ level, message }) =>
      level === "warn" && message.includes("ack wait of") ? [message] : []
    );
  return { gate, begun, serve, ackWaits, give, isDone, warnings };
}

bothStreams(
  "a version that asks for a shorter ack wait takes nothing from those that run",
  async (buses) => {
    const { gate, begun, serve, ackWaits, give, isDone, warnings } = shop(buses);
    await serve("1.0.0", 30_000);
    const job = await give();
    await serve("2.0.0", 1_000);
    deepStrictEqual(await ackWaits(), [30_000, 30_000]);
    ok(warnings().some((message) => message.includes("has an ack wait of 30000 ms and not of ")));
    // For longer than what it has asked for.
    await pause(3_500);
    deepStrictEqual(begun, ["v10", "v10"]);
    gate.resolve();
    await job.result();
    await until(isDone);
    strictEqual((await job.status()).attempts, 1);
    strictEqual(begun.length, 2);
  },
);

bothStreams(
  "after a roll-back the ack wait of the newer version is kept to, and nothing is run twice",
  async (buses) => {
    const { gate, begun, serve, ackWaits, give, isDone, warnings } = shop(buses);
    await (await serve("2.0.0", 1_000)).stop();
    await serve("1.0.0", 30_000, "one");
    await serve("1.0.0", 30_000, "other");
    deepStrictEqual(await ackWaits(), [1_000, 2_100]);
    ok(
      warnings().some((message) => message.includes("has an ack wait of 1000 ms and not of 30000")),
    );
    const job = await give();
    await pause(3_500);
    strictEqual(begun.length, 2);
    gate.resolve();
    await job.result();
    await until(isDone);
    strictEqual(begun.length, 2);
  },
);

bothStreams(
  "an ack wait becomes longer beside those that run, and shorter when they have gone",
  async (buses) => {
    const { gate, begun, serve, ackWaits, give, isDone } = shop(buses);
    const first = await serve("1.0.0", 1_000);
    const job = await give();
    const second = await serve("1.1.0", 30_000);
    deepStrictEqual(await ackWaits(), [30_000, 30_000]);
    gate.resolve();
    await job.result();
    await until(isDone);
    strictEqual(begun.length, 2);
    await Promise.all([first.stop(), second.stop()]);
    await serve("1.2.0", 1_000);
    deepStrictEqual(await ackWaits(), [1_000, 2_100]);
  },
);

bothStreams(
  "an ack wait that somebody has made shorter meanwhile is kept to with the next that comes",
  async (buses) => {
    const { gate, begun, serve, give, isDone } = shop(buses);
    await serve("1.0.0", 30_000, "one");
    await serve("1.0.0", 30_000, "other");
    const { admin } = await buses.streams();
    for (const names of [EVENTS, COMMANDS]) {
      const { config } = (await admin.consumer(...names))!;
      await admin.putConsumer(names[0], { ...config, ackWaitMs: 3_000 });
    }
    // Longer than the time in which it is looked while something comes.
    await pause(1_200);
    const job = await give();
    await pause(4_500);
    strictEqual(begun.length, 2);
    gate.resolve();
    await job.result();
    await until(isDone);
    strictEqual(begun.length, 2);
  },
);

bothStreams(
  "an event that comes again while it is in hand is not begun a second time",
  async (buses) => {
    const { gate, begun, serve, give, isDone } = shop(buses);
    await serve("1.0.0", 30_000);
    await give();
    const { admin } = await buses.streams();
    // The new consumer knows nothing of what was delivered, and delivers it again.
    await admin.deleteConsumer(...EVENTS);
    await until(async () => (await admin.consumer(...EVENTS))?.ackPending === 1);
    await createClient({ bus: buses.client }).publish("order.created");
    await until(() => begun.length === 3);
    gate.resolve();
    await until(isDone);
    strictEqual(begun.length, 3);
  },
);

bothStreams("a consumer that is made again keeps the ack wait that was in force", async (buses) => {
  const { serve, ackWaits } = shop(buses);
  await (await serve("2.0.0", 1_000)).stop();
  await serve("1.0.0", 30_000);
  const { admin } = await buses.streams();
  await admin.deleteConsumer(...EVENTS);
  await until(async () => (await admin.consumer(...EVENTS)) !== undefined);
  deepStrictEqual(await ackWaits(), [1_000, 2_100]);
});
