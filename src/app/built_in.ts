// What every service answers, unless its program does: how it is, and what was measured.

import type { MetricsSnapshot, ReadableMetrics, Series } from "../ports/metrics.ts";
import type { Handler } from "./context.ts";
import { rpc, type RpcHandler } from "./rpc.ts";
import type { ServiceHealth, ServiceStatus } from "./service_options.ts";

/** Something that is wrong with an instance of a service. */
export interface HealthProblem {
  /**
   * Where it is: in the service as a whole, its connection, its events or commands, its election, its place in the registry,
   * or a watch of a bucket on its bus.
   */
  readonly part: "service" | "bus" | "events" | "commands" | "leadership" | "registry" | "watches";
  /** Which one: the pattern of events, the command, the group or the bucket; else the instance. */
  readonly name: string;
  /** What is wrong. */
  readonly message: string;
}

/** What the method `health` of every service answers. */
export interface HealthReport {
  /** Whether the process answers: always, where there is an answer at all. */
  readonly live: true;
  /** Whether it serves all that it should: what is not ready should be given no more work. */
  readonly ready: boolean;
  /** Where the service stands. */
  readonly status: ServiceStatus;
  /** Its name. */
  readonly service: string;
  /** The instance that answers. */
  readonly instanceId: string;
  /** Its version. */
  readonly version: string;
  /** For how long it has been started, in milliseconds. */
  readonly uptimeMs: number;
  /** How many calls, events and commands run or wait there beside this one. */
  readonly inFlight: number;
  /** The time of a round trip to the server, in milliseconds; null where none came back. */
  readonly roundTripMs: number | null;
  /** Whether it is the active one; null where each is. */
  readonly leader: boolean | null;
  /** What is wrong, the first 20. That it is not in the registry, or that a watch is late, makes it no less ready. */
  readonly problems: readonly HealthProblem[];
}

/** What the method `metrics` of every service answers: what was measured on its bus. */
export interface MetricsReport extends MetricsSnapshot {
  /** The instance that answers. */
  readonly instanceId: string;
  /** Whether there are more series, which do not fit an answer. */
  readonly truncated: boolean;
}

/** The service that answers. */
export interface Reporter {
  readonly name: string;
  readonly instanceId: string;
  readonly version: string;
  readonly uptimeMs: number;
  health(): Promise<ServiceHealth>;
}

const MAX_PROBLEMS = 20;
const MAX_TEXT = 500;
/** How many series of each kind an answer has at most; each takes some 200 bytes. */
const MAX_SERIES = 1_000;

/** The handlers of what every service answers, without those that `handlers` has. */
export function builtInHandlers(
  handlers: readonly Handler[],
  reporter: () => Reporter,
  metrics: ReadableMetrics,
): RpcHandler[] {
  const builtIn: readonly RpcHandler[] = [
    rpc("health", () => healthReport(reporter())),
    rpc("metrics", () => metricsReport(reporter(), metrics)),
  ];
  return builtIn.filter(({ method }) =>
    !handlers.some((handler) => handler.kind === "rpc" && handler.method === method)
  );
}

async function healthReport(reporter: Reporter): Promise<HealthReport> {
  const { name: service, instanceId, version, uptimeMs } = reporter;
  const health = await reporter.health();
  return {
    live: true,
    ready: health.ok,
    status: health.status,
    service,
    instanceId,
    version,
    uptimeMs,
    inFlight: Math.max(0, health.inFlight - 1),
    roundTripMs: health.bus.roundTripMs ?? null,
    leader: health.leadership?.leader ?? null,
    problems: problemsOf(health, instanceId).slice(0, MAX_PROBLEMS),
  };
}

function problemsOf(health: ServiceHealth, instanceId: string): HealthProblem[] {
  const problems: HealthProblem[] = [];
  const add = (part: HealthProblem["part"], name: string, error: Error | undefined): void => {
    const message = (error?.message ?? "It does not say why").slice(0, MAX_TEXT);
    problems.push({ part, name, message });
  };
  const { status, bus, events, commands, leadership, registry, error } = health;
  const taken = [...events, ...commands, leadership];
  if (status !== "started") add("service", instanceId, new Error(`It is ${status}`));
  if (error !== undefined && taken.every((each) => each?.error !== error)) {
    add("service", instanceId, error);
  }
  if (!bus.ok) add("bus", instanceId, new Error(`It is ${bus.status}, and gives no answer`));
  for (const each of events) if (!each.ok) add("events", each.pattern, each.error);
  for (const each of commands) if (!each.ok) add("commands", each.command, each.error);
  if (leadership?.ok === false) add("leadership", leadership.group, leadership.error);
  if (registry?.ok === false) add("registry", instanceId, registry.error);
  for (const { bucket, live, error } of bus.ok ? bus.watches : []) {
    if (!live) add("watches", bucket, new Error(error ?? "It does not hear of changes"));
  }
  return problems;
}

function metricsReport({ instanceId }: Reporter, metrics: ReadableMetrics): MetricsReport {
  const { counters, gauges, summaries } = metrics.snapshot();
  const kinds: readonly (readonly Series<unknown>[])[] = [counters, gauges, summaries];
  return {
    instanceId,
    truncated: kinds.some(({ length }) => length > MAX_SERIES),
    counters: counters.slice(0, MAX_SERIES),
    gauges: gauges.slice(0, MAX_SERIES),
    summaries: summaries.slice(0, MAX_SERIES),
  };
}
