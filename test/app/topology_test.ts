// Topology: streams and consumers are made to order, compared on start, and never changed in silence.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import {
  type Bus,
  ConflictError,
  createClient,
  createService,
  ensureTopology,
  on,
  type ServiceOptions,
} from "../../mod.ts";
import { bothStreams, errorOf } from "./buses.ts";

const nothing = () => {};

/** Starts a service and stops it. */
async function deploy(
  bus: Bus,
  version: string,
  handlers: ServiceOptions["handlers"],
): Promise<void> {
  const service = createService("billing", { bus, version, handlers });
  try {
    await service.start();
  } finally {
    await service.stop();
  }
}

bothStreams("a plan says what would be made, and makes nothing", async (buses) => {
  const { client: bus } = buses;
  const services = [
    createService("billing", {
      bus,
      handlers: [on("order.*", nothing), on("cache.*", { mode: "broadcast" }, nothing)],
    }),
    createService("mail", { bus, handlers: [on("user.>", { ordered: true }, nothing)] }),
  ];
  const plan = await ensureTopology({ bus, services, plan: true });
  const wanted = [
    "create stream EVENTS",
    "create stream DEAD_LETTERS",
    "create consumer billing=order=+",
    "create consumer mail=user=++",
  ];
  const names = (steps: typeof plan.steps) =>
    steps.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
  deepStrictEqual(names(plan.steps), wanted);
  match(plan.toString(), /^create stream EVENTS: .*subjects \["events\.>"\]/);
  match(plan.toString(), /^create consumer mail=user=\+\+ of EVENTS: .*maxAckPending 1/m);
  const { admin } = await buses.streams();
  strictEqual(await admin.stream("EVENTS"), undefined);
  deepStrictEqual(names((await ensureTopology({ bus, services })).steps), wanted);
  const kept = await ensureTopology({ bus, services });
  deepStrictEqual([...new Set(kept.steps.map(({ action }) => action))], ["keep"]);
  const state = await admin.stream("EVENTS");
  deepStrictEqual(state?.config.subjects, ["events.>"]);
  strictEqual((await admin.consumer("EVENTS", "billing=order=+"))?.config.filter, "events.order.*");
});

bothStreams(
  "what may change is changed on start, an older version changes nothing back",
  async (buses) => {
    const { client: bus } = buses;
    const { admin } = await buses.streams();
    const waits = async () => (await admin.consumer("EVENTS", "billing=order=+"))?.config.ackWaitMs;
    const handlers = (ackWaitMs: number) => [on("order.*", { ackWaitMs }, nothing)];
    await deploy(bus, "1.9.0", handlers(5_000));
    strictEqual(await waits(), 5_000);
    await deploy(bus, "1.10.0", handlers(7_000));
    strictEqual(await waits(), 7_000);
    await deploy(bus, "1.9.0", handlers(5_000));
    strictEqual(await waits(), 7_000);
    // A version that wants the same as the one before it is the newest all the same.
    await deploy(bus, "2.0.0", handlers(7_000));
    await deploy(bus, "1.11.0", handlers(9_000));
    strictEqual(await waits(), 7_000);
  },
);

bothStreams("what may not change fails the start, with both values", async (buses) => {
  const { client: bus } = buses;
  await deploy(bus, "1.0.0", [on("order.*", { name: "orders" }, nothing)]);
  const from = await errorOf(
    deploy(bus, "1.1.0", [on("order.*", { name: "orders", from: "all" }, nothing)]),
  );
  ok(ConflictError.is(from), String(from));
  match(from.message, /consumer orders .*"from" is "new" and should be "all"/);
  const filter = await errorOf(deploy(bus, "1.1.0", [on("user.*", { name: "orders" }, nothing)]));
  ok(ConflictError.is(filter), String(filter));
  match(filter.message, /"filter" is "events\.order\.\*" and should be "events\.user\.\*"/);
  const services = [
    createService("billing", { bus, handlers: [on("user.*", { name: "orders" }, nothing)] }),
  ];
  const { steps } = await ensureTopology({ bus, services, plan: true });
  strictEqual(steps.at(-1)?.action, "conflict");
  await rejects(ensureTopology({ bus, services }), ConflictError);
});

bothStreams(
  "a stream has the limits that were asked for, and keeps those that nobody asks to change",
  async (buses) => {
    const { admin } = await buses.streams();
    const strict = await buses.open({
      streams: { events: { maxAgeMs: 3_600_000, maxMessages: 1_000, duplicateWindowMs: 60_000 } },
    });
    await deploy(strict, "1.0.0", [on("order.*", nothing)]);
    const limits = async () => {
      const { config } = (await admin.stream("EVENTS"))!;
      return [config.maxAgeMs, config.maxMessages, config.duplicateWindowMs, config.discard];
    };
    deepStrictEqual(await limits(), [3_600_000, 1_000, 60_000, "new"]);
    await deploy(buses.client, "1.1.0", [on("order.*", nothing)]);
    deepStrictEqual(await limits(), [3_600_000, 1_000, 60_000, "new"]);
    const wider = await buses.open({ streams: { events: { maxMessages: 5_000 } } });
    await deploy(wider, "1.2.0", [on("order.*", nothing)]);
    deepStrictEqual(await limits(), [3_600_000, 5_000, 60_000, "new"]);
    await deploy(strict, "1.1.0", [on("order.*", nothing)]);
    deepStrictEqual(await limits(), [3_600_000, 5_000, 60_000, "new"]);
    const memory = await buses.open({ streams: { events: { storage: "memory" } } });
    const error = await errorOf(deploy(memory, "1.3.0", [on("order.*", nothing)]));
    ok(ConflictError.is(error), String(error));
    match(error.message, /stream EVENTS .*"storage" is "file" and should be "memory"/);
  },
);

bothStreams("somebody else's stream of the same subjects is used as it is", async (buses) => {
  const { admin } = await buses.streams();
  await admin.createStream({
    name: "ALL_EVENTS",
    description: "",
    subjects: ["events.>"],
    retention: "limits",
    storage: "file",
    replicas: 1,
    discard: "old",
    maxAgeMs: 0,
    maxMessages: 0,
    maxBytes: 0,
    maxMessageBytes: 0,
    duplicateWindowMs: 120_000,
  });
  await buses.serve("billing", [on("order.*", nothing)]);
  const { stream } = await createClient({ bus: buses.client }).publish("order.created");
  strictEqual(stream, "ALL_EVENTS");
  strictEqual(await admin.stream("EVENTS"), undefined);
});

bothStreams("what is no service, or no option, is refused", async ({ client: bus }) => {
  const broken = (options: unknown) => errorOf(ensureTopology(options as never));
  match(String(await broken({ bus, services: [{}] })), /what createService\(\)/);
  match(String(await broken({ bus, services: [], dryRun: true })), /no such option/);
  match(String(await broken({ bus })), /"services".*must be an array/);
  match(String(await broken({ services: [] })), /"bus"/);
});
