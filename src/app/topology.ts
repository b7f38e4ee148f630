// Topology: the streams, buckets and consumers of services, made ahead of time, or only shown.

import { assertKeys, assertSignal, show } from "../domain/check.ts";
import { REGISTRY_BUCKET } from "../domain/instance.ts";
import { bucketStream } from "../domain/kv_key.ts";
import { stampOf } from "../domain/stamp.ts";
import type { StreamAdmin } from "../ports/stream.ts";
import { type Bus, partsOf } from "./bus.ts";
import type { BusStreams, StreamKey } from "./bus_streams.ts";
import { planConsumer, type PlannedStep, stepText, type TopologyStep } from "./resources.ts";
import { definitionOf, type ServiceDefinition } from "./service_options.ts";
import { commandHandlersOf, eventHandlersOf } from "./serving.ts";
import { dueConsumer } from "./command_later.ts";
import { planLeaders } from "./election_bucket.ts";
import { queueConsumers } from "./command_plan.ts";
import { unlessAborted } from "./pause.ts";
import { consumerOf, isEphemeral } from "./subscription_plan.ts";

/** Options of {@linkcode ensureTopology}. */
export interface TopologyOptions {
  /** The bus to make it on. */
  readonly bus: Bus;
  /** The services, which need not be started. */
  readonly services: readonly object[];
  /** Whether only to say what would be done, and to change nothing. @default {false} */
  readonly plan?: boolean;
  /** Ends it: it rejects with the signal's reason, and makes nothing more than what is in hand. */
  readonly signal?: AbortSignal;
}

/** What services need on the server, and what became, or would become, of it. */
export interface Topology {
  /** Each stream and consumer, in the order in which they are made. */
  readonly steps: readonly TopologyStep[];
  /** The same as text, a line each, for people. */
  toString(): string;
}

/**
 * Makes the streams, consumers and buckets that services need, as their start would, or with `plan` only says what it would do.
 * Consumers of one instance alone, those of `"broadcast"` without a name, are made by that instance. Each step is
 * logged.
 *
 * @throws {ConflictError} when something is there that cannot be as it must be; with `plan` it is said and not thrown.
 * @throws {UnavailableError} while the bus is away.
 * @throws {TypeError} for options that cannot be.
 *
 * @example
 * ```ts
 * import { connect, createService, ensureTopology, on } from "@aegis/sdk";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * const audit = createService("audit", { bus, handlers: [on("order.*", () => {})] });
 * const { steps } = await ensureTopology({ bus, services: [audit], plan: true });
 * deepStrictEqual(steps.map(({ action, kind, name }) => `${action} ${kind} ${name}`), [
 *   "create stream EVENTS",
 *   "create stream DEAD_LETTERS",
 *   "create consumer audit=order=+",
 *   "create stream KV_service_registry",
 * ]);
 * ```
 */
export async function ensureTopology(options: TopologyOptions): Promise<Topology> {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot ensure a topology of ${show(options)}: write ensureTopology({ bus, services })`,
    );
  }
  assertKeys(options, ["bus", "services", "plan", "signal"], "of ensureTopology()");
  const { bus, services, plan = false, signal } = options;
  if (!Array.isArray(services)) {
    throw new TypeError(
      `Cannot use ${show(services)} as option "services" of ensureTopology(): it must be an array`,
    );
  }
  if (typeof plan !== "boolean") {
    throw new TypeError(
      `Cannot use ${show(plan)} as option "plan" of ensureTopology(): it must be a boolean`,
    );
  }
  assertSignal(signal, "of ensureTopology()");
  const { runtime, busStreams, buckets, openRegistry } = partsOf(bus, "ensureTopology()");
  const { admin } = busStreams.ports;
  const steps: TopologyStep[] = [];
  const take = async ({ step, apply }: PlannedStep): Promise<void> => {
    signal?.throwIfAborted();
    const known = steps.some(({ kind, name, stream }) =>
      kind === step.kind && name === step.name && stream === step.stream
    );
    if (!known) steps.push(step);
    if (!plan) await apply();
  };
  await unlessAborted(signal, async () => {
    for (const service of services) {
      const definition = definitionOf(service, "in ensureTopology()");
      await each(busStreams, definition, take);
      if (definition.options.registry !== false) {
        await take(await planRegistry(openRegistry, admin));
      }
      if (definition.options.singleActive === undefined) continue;
      await take(await planLeaders(buckets, admin));
    }
  });
  for (const step of steps) runtime.logger.info(stepText(step), { plan });
  return { steps, toString: () => steps.map(stepText).join("\n") };
}

/** Looks whether there is a registry; one that is there is used as it is. */
async function planRegistry(
  open: () => Promise<unknown>,
  admin: StreamAdmin,
): Promise<PlannedStep> {
  const name = bucketStream(REGISTRY_BUCKET);
  const is = (await admin.stream(name))?.config;
  const by = is && stampOf(is.description)?.by;
  const action = is === undefined ? "create" : "keep";
  return {
    step: { kind: "stream", name, action, changes: [], by },
    apply: async () => void await open(),
  };
}

async function each(
  streams: BusStreams,
  { name: service, options, instanceId }: ServiceDefinition,
  take: (planned: PlannedStep) => Promise<void>,
): Promise<void> {
  const events = eventHandlersOf(options.handlers);
  const commands = commandHandlersOf(options.handlers);
  if (events.length + commands.length === 0) return;
  const { version = "0.0.0" } = options;
  const stamp = { by: service, version };
  const { admin } = streams.ports;
  const makeStream = async (key: StreamKey): Promise<string> => {
    const { name, planned } = await streams.plan(key, stamp);
    if (planned !== undefined) await take(planned);
    return name;
  };
  const stream = events.length === 0 ? undefined : await makeStream("events");
  const queue = commands.length === 0 ? undefined : await makeStream(`commands.${service}`);
  if (queue !== undefined) await makeStream("records");
  await makeStream("deadLetters");
  const by = { service, version, instanceId, hasOwnId: options.instanceId !== undefined };
  for (const handler of events) {
    const config = consumerOf(handler, by);
    if (isEphemeral(handler)) continue;
    await take(await planConsumer(admin, { stream: stream!, config, stamp }));
  }
  if (queue !== undefined && streams.ports.store.publishLater !== undefined) {
    const later = await makeStream("later");
    await take(await planConsumer(admin, { stream: later, config: dueConsumer(service), stamp }));
  }
  for (const handler of commands) {
    for (const config of queueConsumers(handler, service)) {
      await take(await planConsumer(admin, { stream: queue!, config, stamp }));
    }
  }
}
