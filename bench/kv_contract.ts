// What the run of the KV store has a child do, and what it answers.

/** What is done: one at a time, a batch at once, or by many watches. */
export type KvWork = "put" | "get" | "batch" | "watch";

/** What a child is told to do. */
export interface KvOrder {
  readonly do: KvWork;
  /** How many operations; how many keys are watched. */
  readonly count: number;
}

/** What it measured. */
export interface KvMeasured {
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The median time of one in milliseconds, when they were done one at a time. */
  readonly p50Ms?: number;
  /** The 99th percentile of it. */
  readonly p99Ms?: number;
  /** What the process keeps for the watches while they stand, in bytes. */
  readonly heap?: number;
  /** How many consumers the server keeps for them. */
  readonly consumers?: number;
  /** How long it took until a change was told to all of them, in milliseconds. */
  readonly changeMs?: number;
}

/** The bucket of each kind. */
export const BUCKETS = { bare: "bench_bare", aegis: "bench_aegis" } as const;
/** How many watches there are at once. */
export const WATCHES = 100;

/** A key of the run. */
export function keyOf(number: number): string {
  return `user-${number}`;
}

/** A value of the run. */
export function valueOf(number: number): Readonly<Record<string, unknown>> {
  return {
    id: number,
    name: "John Doe",
    email: "john@example.com",
    tags: ["a", "b"],
    active: true,
  };
}
