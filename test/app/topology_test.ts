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
import { bothStreams, errorOf, foreignStream } from "./buses.ts";

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
    "create stream KV_service_registry",
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
  strictEqual(steps.find(({ name }) => name === "orders")?.action, "conflict");
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
  await admin.createStream(foreignStream("ALL_EVENTS", "events.>"));
  await buses.serve("billing", [on("order.*", nothing)]);
  const { stream } = await createClient({ bus: buses.client }).publish("order.created");
  strictEqual(stream, "ALL_EVENTS");
  strictEqual(await admin.stream("EVENTS"), undefined);
});

bothStreams("what is no service, or no option, is refused", async ({ client: bus }) => {
  const broken = (options: unknown) => errorOf(ensureTopology(options as never));
  match(String(await broken({ bus, services: [{}] })), /what createService\(\)/);
  match(String(await broken({ bus, services: [], dryRun: true })), /no such option/);
  match(String(await broken({ bus, services: [], plan: "no" })), /"plan".*must be a boolean/);
  match(String(await broken({ bus })), /"services".*must be an array/);
  match(String(await broken({ services: [] })), /"bus"/);
});

bothStreams(
  "a stream that has a part of the subjects of events is a conflict, and not taken for the whole",
  async (buses) => {
    const { admin } = await buses.streams();
    await admin.createStream(foreignStream("ORDERS", "events.order.>"));
    const service = createService("billing", {
      bus: buses.client,
      handlers: [on("payment.*", nothing)],
    });
    const error = await errorOf(service.start());
    ok(ConflictError.is(error), String(error));
    match(error.message, /EVENTS.* the stream ORDERS .*events\.order\.>/);
  },
);

bothStreams("a durable of another service is a conflict, and not shared", async (buses) => {
  await buses.serve("billing", [on("order.*", { name: "audit" }, nothing)]);
  const service = createService("mail", {
    bus: buses.client,
    handlers: [on("order.*", { name: "audit" }, nothing)],
  });
  const error = await errorOf(service.start());
  ok(ConflictError.is(error), String(error));
  match(error.message, /consumer audit .*"service" is "billing" and should be "mail"/);
});

bothStreams("a start that fails makes nothing", async (buses) => {
  const { admin } = await buses.streams();
  await buses.serve("billing", [on("order.*", { name: "taken" }, nothing)]);
  const service = createService("mail", {
    bus: buses.client,
    handlers: [on("user.*", nothing), on("order.*", { name: "taken" }, nothing)],
  });
  ok(ConflictError.is(await errorOf(service.start())));
  strictEqual(await admin.consumer("EVENTS", "mail=user=+"), undefined);
});

bothStreams(
  "what is changed of a stream that another service has set up is logged as a warning",
  async (buses) => {
    const long = await buses.open({ streams: { events: { maxAgeMs: 7_200_000 } } });
    const short = await buses.open({ streams: { events: { maxAgeMs: 3_600_000 } } });
    await buses.serve("billing", [on("order.*", nothing)], { bus: long });
    await buses.serve("mail", [on("order.*", nothing)], { bus: short });
    const line = buses.logs.find(({ message }) => message.startsWith("update stream EVENTS"));
    strictEqual(line?.level, "warn");
    match(line.message, /maxAgeMs 7200000 → 3600000/);
  },
);

bothStreams("a handler that begins at a time to come is refused at start", async (buses) => {
  const from = { time: Date.now() + 3_600_000 };
  const service = createService("billing", {
    bus: buses.client,
    handlers: [on("order.*", { from }, nothing)],
  });
  const error = await errorOf(service.start());
  ok(error instanceof RangeError && error.message.includes("not come"), String(error));
});

bothStreams("a signal ends ensureTopology(), and nothing more is made", async (buses) => {
  const { client: bus } = buses;
  const services = [createService("billing", { bus, handlers: [on("order.*", nothing)] })];
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  strictEqual(await errorOf(ensureTopology({ bus, services, signal })), reason);
  const controller = new AbortController();
  const ended = errorOf(ensureTopology({ bus, services, signal: controller.signal }));
  controller.abort(reason);
  strictEqual(await ended, reason);
  // Whatever it had asked the broker has its answer by now.
  await bus.health();
  const { admin } = await buses.streams();
  strictEqual(await admin.stream("EVENTS"), undefined);
  const later = new AbortController();
  await ensureTopology({ bus, services, signal: later.signal });
  later.abort();
  ok(await admin.consumer("EVENTS", "billing=order=+"));
  await rejects(ensureTopology({ bus, services, signal: 1 as never }), TypeError);
});
