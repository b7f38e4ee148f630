// Topology: the streams and consumers of services, made ahead of time, or only shown.

import { assertKeys, show } from "../domain/check.ts";
import { type Bus, partsOf } from "./bus.ts";
import type { EventStreams } from "./event_streams.ts";
import { planConsumer, type PlannedStep, stepText, type TopologyStep } from "./resources.ts";
import { definitionOf, type ServiceDefinition } from "./service_options.ts";
import { eventHandlersOf } from "./serving.ts";
import { consumerOf, isEphemeral } from "./subscription_plan.ts";

/** Options of {@linkcode ensureTopology}. */
export interface TopologyOptions {
  /** The bus to make it on. */
  readonly bus: Bus;
  /** The services, which need not be started. */
  readonly services: readonly object[];
  /** Whether only to say what would be done, and to change nothing. @default {false} */
  readonly plan?: boolean;
}

/** What services need on the server, and what became, or would become, of it. */
export interface Topology {
  /** Each stream and consumer, in the order in which they are made. */
  readonly steps: readonly TopologyStep[];
  /** The same as text, a line each, for people. */
  toString(): string;
}

/**
 * Makes the streams and consumers that services need, as their start would, or with `plan` only says what it would do.
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
 * ]);
 * ```
 */
export async function ensureTopology(options: TopologyOptions): Promise<Topology> {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot ensure a topology of ${show(options)}: write ensureTopology({ bus, services })`,
    );
  }
  assertKeys(options, ["bus", "services", "plan"], "of ensureTopology()");
  const { bus, services, plan = false } = options;
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
  const { runtime, eventStreams } = partsOf(bus, "ensureTopology()");
  const steps: TopologyStep[] = [];
  const take = async ({ step, apply }: PlannedStep): Promise<void> => {
    const known = steps.some(({ kind, name, stream }) =>
      kind === step.kind && name === step.name && stream === step.stream
    );
    if (!known) steps.push(step);
    if (!plan) await apply();
  };
  for (const service of services) {
    await each(eventStreams, definitionOf(service, "in ensureTopology()"), take);
  }
  for (const step of steps) runtime.logger.info(stepText(step), { plan });
  return { steps, toString: () => steps.map(stepText).join("\n") };
}

async function each(
  streams: EventStreams,
  { name: service, options, instanceId }: ServiceDefinition,
  take: (planned: PlannedStep) => Promise<void>,
): Promise<void> {
  const handlers = eventHandlersOf(options.handlers);
  if (handlers.length === 0) return;
  const { version = "0.0.0" } = options;
  const stamp = { by: service, version };
  const events = await streams.plan("events", stamp);
  if (events.planned !== undefined) await take(events.planned);
  const dead = await streams.plan("deadLetters", stamp);
  if (dead.planned !== undefined) await take(dead.planned);
  const by = { service, version, instanceId, hasOwnId: options.instanceId !== undefined };
  for (const handler of handlers) {
    const config = consumerOf(handler, by);
    if (isEphemeral(handler)) continue;
    const wanted = { stream: events.name, config, stamp };
    await take(await planConsumer(streams.ports.admin, wanted));
  }
}
