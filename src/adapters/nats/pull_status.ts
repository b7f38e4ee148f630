// What a server says in place of a message to whoever asked a consumer for some.

import type { NatsMessage } from "./message.ts";

/** What it comes to. */
export type PullStatus =
  /** Nothing has changed: there are no messages. */
  | { readonly kind: "alive" }
  /** A request is over, and so many of its messages have not come. */
  | { readonly kind: "over"; readonly left: number }
  /** All requests are void: the consumer is deleted, or served by another server, or by none at the moment. */
  | { readonly kind: "void"; readonly deleted: boolean }
  /** A request was refused since it asked for too much at once. */
  | { readonly kind: "limit"; readonly batch?: number; readonly expiresMs?: number }
  /** A request was refused, and the next one may be too. */
  | { readonly kind: "refused"; readonly reason: string };

const UNITS_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  µs: 1e-3,
  us: 1e-3,
  ns: 1e-6,
};

/** Reads such a message. */
export function readPullStatus(message: NatsMessage): PullStatus {
  const { code, description } = message.status;
  if (code === 100) return { kind: "alive" };
  if (code === 503) return { kind: "void", deleted: false };
  const left = Number(message.header("Nats-Pending-Messages") ?? NaN);
  if (left >= 0) return { kind: "over", left };
  if (/leadership change|server shutdown/i.test(description)) {
    return { kind: "void", deleted: false };
  }
  if (/deleted/i.test(description)) return { kind: "void", deleted: true };
  const [, limit, value = ""] = /^exceeded maxrequest(batch|expires) of (\S+)/i.exec(description) ??
    [];
  if (limit?.toLowerCase() === "batch" && Number(value) > 0) {
    return { kind: "limit", batch: Number(value) };
  }
  if (limit !== undefined && durationMs(value) > 0) {
    return { kind: "limit", expiresMs: durationMs(value) };
  }
  return { kind: "refused", reason: `${code} ${description}` };
}

/** A duration such as `1m30s`, in milliseconds; 0 for what is none. */
function durationMs(text: string): number {
  let sum = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(ms|µs|us|ns|h|m|s)/g)) {
    sum += Number(value) * UNITS_MS[unit!]!;
  }
  return sum;
}
