// What was handed back: deliveries that ended before their handler began, as they are noted for other instances.

import { DEAD_LETTERS_PREFIX } from "./dead_letter.ts";

/** A delivery that was handed back. */
export interface HandedBackDelivery {
  /** The place of its event in the stream. */
  readonly sequence: number;
  /** When the event was stored, in milliseconds since the epoch: a stream that was made again has the same places. */
  readonly storedAt: number;
  /** Which delivery of it this was, from 1. */
  readonly attempt: number;
}

/** How many are noted at most; of more the oldest count as attempts. */
const MAX_NOTED = 2_000;

/**
 * The subject of the notes of one consumer, which are no dead letters: beside those of the suspects of its handler, so that
 * who may note one may note the other.
 */
export function handedBackSubject(handler: string, consumer: string): string {
  return `${DEAD_LETTERS_PREFIX}.suspects.${handler}.handed_back.${consumer}`;
}

/** A note of deliveries. */
export function writeHandedBack(deliveries: readonly HandedBackDelivery[]): string {
  return JSON.stringify(
    deliveries.map(({ sequence, storedAt, attempt }) => [sequence, storedAt, attempt]),
  );
}

/** The deliveries of a note; none of one that somebody else has written. */
export function readHandedBack(body: Uint8Array): HandedBackDelivery[] {
  let rows: unknown;
  try {
    rows = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return [];
  }
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row: unknown) => {
    if (!Array.isArray(row) || !row.every(Number.isSafeInteger)) return [];
    const [sequence, storedAt, attempt] = row as [number, number, number];
    return row.length === 3 && attempt > 0 ? [{ sequence, storedAt, attempt }] : [];
  });
}

/** Two lists as one, each delivery once, without events up to `floor`, which are done. */
export function mergeHandedBack(
  older: readonly HandedBackDelivery[],
  newer: readonly HandedBackDelivery[],
  floor: number,
): HandedBackDelivery[] {
  const all = new Map<string, HandedBackDelivery>();
  for (const one of [...older, ...newer]) {
    if (one.sequence > floor) all.set(`${one.sequence}:${one.storedAt}:${one.attempt}`, one);
  }
  return [...all.values()].slice(-MAX_NOTED);
}

/** How many deliveries of the event before this one were handed back. */
export function countHandedBack(
  noted: readonly HandedBackDelivery[],
  { sequence, storedAt, attempt }: HandedBackDelivery,
): number {
  const before = new Set(
    noted.filter((one) =>
      one.sequence === sequence && one.storedAt === storedAt && one.attempt < attempt
    ).map((one) => one.attempt),
  );
  return before.size;
}
