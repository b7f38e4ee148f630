// The end that a message may have of its own, and the marker that it leaves, as a NATS server has them.

import { AegisError } from "../../domain/error.ts";
import type { StreamConfig } from "../../ports/stream.ts";
import type { Alarm, Alarms } from "./alarms.ts";
import type { MemoryMessage } from "./broker.ts";
import { headerValue } from "./headers.ts";

const TTL = "Nats-TTL";
const REASON = "Nats-Marker-Reason";
const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** What time a message has, in milliseconds; `Infinity` where it never ends, undefined where it has none of its own. */
export function ttlOf(
  { subject, headers }: MemoryMessage,
  { name, messageTtl }: StreamConfig,
): number | undefined {
  const text = headerValue(headers?.[TTL] ?? "");
  if (text === "") return undefined;
  const ttlMs = parse(text);
  if (messageTtl && ttlMs >= 1_000) return Math.floor(ttlMs / 1_000) * 1_000;
  const reason = messageTtl ? "it must be one second or more" : "the stream has no messageTtl";
  throw new AegisError(
    "NATS",
    `Cannot publish to ${subject} in the stream ${name} with the ${TTL} "${text}": ${reason}`,
    { details: { stream: name } },
  );
}

/** The marker of the last message of a subject, once it has come to its end; a marker has none. */
export function markerOf(
  { subject, headers }: MemoryMessage,
  { messageTtl, maxMessagesPerSubject }: StreamConfig,
): MemoryMessage | undefined {
  if (!messageTtl || headers?.[REASON] !== undefined) return undefined;
  return {
    subject,
    reply: undefined,
    data: new Uint8Array(),
    headers: {
      [REASON]: "MaxAge",
      // Where older messages are kept too, markers must not outlive what comes after them.
      [TTL]: maxMessagesPerSubject === 1 ? "1h0m0s" : "1s",
      "Nats-Rollup": "sub",
    },
    status: undefined,
  };
}

/** The ends of the messages of one stream. */
export class MessageEnds {
  readonly #alarms: Alarms;
  readonly #onEnd: (sequence: number) => void;
  readonly #ends = new Map<number, Alarm>();

  /** Makes them; `onEnd` is called when a message comes to its end. */
  constructor(alarms: Alarms, onEnd: (sequence: number) => void) {
    this.#alarms = alarms;
    this.#onEnd = onEnd;
  }

  /** Whether a message never ends, however old it is. */
  isEndless(sequence: number): boolean {
    return this.#ends.get(sequence)?.expiresAt === Infinity;
  }

  /** Gives a message its time. */
  set(sequence: number, ttlMs: number): void {
    const alarm: Alarm = {
      expiresAt: Infinity,
      wheelPrevious: undefined,
      wheelNext: undefined,
      ring: () => this.#onEnd(sequence),
    };
    this.#ends.set(sequence, alarm);
    if (ttlMs < Infinity) this.#alarms.set(alarm, ttlMs);
  }

  /** A message is gone. */
  clear(sequence: number): void {
    const alarm = this.#ends.get(sequence);
    if (alarm === undefined) return;
    this.#ends.delete(sequence);
    this.#alarms.clear(alarm);
  }

  /** All are gone. */
  clearAll(): void {
    for (const sequence of [...this.#ends.keys()]) this.clear(sequence);
  }
}

/** A time such as `5s`, `1h30m`, `90` or `never`, in milliseconds; 0 for what is none. */
function parse(text: string): number {
  if (text.toLowerCase() === "never") return Infinity;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) return 0;
  let sum = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(h|ms|m|s)/g)) {
    sum += Number(value) * UNITS_MS[unit!]!;
  }
  return sum;
}
