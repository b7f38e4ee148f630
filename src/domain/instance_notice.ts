// Notices of instances: that one is there, how it is, and that it goes. Each goes out once, to whoever listens, in JSON.

import { float, quote } from "./envelope.ts";
import type { InstanceLoad } from "./instance.ts";

/** The subject of the notice that an instance is there. */
export const REGISTERED_SUBJECT = "internal.registry.register";
/** The subject of the notice that an instance goes. */
export const UNREGISTERED_SUBJECT = "internal.registry.unregister";

/** The subject of the heartbeats of a service's instances. */
export function heartbeatSubject(service: string): string {
  return `internal.heartbeat.${service}`;
}

/** That an instance is there, or goes, as JSON. `now` is in milliseconds since the epoch. */
export function registrationJson(service: string, instanceId: string, now: number): string {
  return `{"service_name":${quote(service)},"instance_id":${quote(instanceId)},"timestamp":${
    seconds(now)
  }}`;
}

/** A heartbeat as JSON, its metrics in the shape of the original's. Times are in milliseconds, `now` since the epoch. */
export function heartbeatJson(
  instanceId: string,
  now: number,
  uptimeMs: number,
  load: InstanceLoad,
): string {
  const gauges = { in_flight: load.inFlight, event_loop_delay_ms: load.eventLoopDelayMs };
  return `{"instance_id":${quote(instanceId)},"timestamp":${
    seconds(now)
  },"metrics":{"uptime_seconds":${seconds(uptimeMs)},"counters":{},"gauges":${
    JSON.stringify(gauges)
  },"summaries":{}}}`;
}

function seconds(ms: number): string {
  return float(ms / 1_000);
}
