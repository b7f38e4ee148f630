// The report of the run of the KV store: which figures, beside which goals.

import type { KvMeasured, KvWork } from "./kv_contract.ts";
import { type Goal, type Measured, type Row, tableOf } from "./report.ts";

/** One measurement of the KV store. */
export interface KvSample extends Measured, KvMeasured {
  /** What was measured. */
  readonly work: KvWork;
  /** How many operations. */
  readonly count: number;
  /** Of a batch, how much faster it was than puts one at a time in the same round. */
  readonly gain?: number;
}

/** What was measured of the KV store on one runtime. */
export interface KvRun {
  /** `"deno"`, `"bun"` or `"node"`. */
  readonly runtime: string;
  /** Its version. */
  readonly version: string;
  /** Every measurement. */
  readonly samples: readonly KvSample[];
}

/** All that is measured, in its order. */
export const WORKS: readonly KvWork[] = ["put", "get", "batch", "watch"];
const GOAL: Goal = { ratio: 1.1, atLeast: false };

/** The table of the KV store on one runtime. */
export function kvTable({ runtime, version, samples }: KvRun): string {
  const row = (
    work: KvWork,
    group: string,
    label: string,
    value: (sample: KvSample) => number | undefined,
    digits: number,
    goal?: Goal,
  ): Row<KvSample> => ({
    group,
    label,
    of: (sample) => sample.work === work,
    value,
    digits,
    ...(goal === undefined ? {} : { goal }),
  });
  const single = (work: "put" | "get"): Row<KvSample>[] => [
    row(work, `${work}, one at a time`, "p50, ms", (s) => s.p50Ms, 3, GOAL),
    row(work, `${work}, one at a time`, "p99, ms", (s) => s.p99Ms, 3),
  ];
  const batch = "putMany of 1,000 (bare: put, all at once)";
  const watch = "100 watches of 10,000 keys (bare: one after the other)";
  return tableOf({
    heading: `${runtime} ${version}`,
    group: { title: "keys and values", left: true },
    rows: [
      ...single("put"),
      ...single("get"),
      row("batch", batch, "puts/s", (s) => s.count / s.ms * 1_000, 0),
      row("batch", batch, "× one at a time", (s) => s.gain, 1, { figure: 5, atLeast: true }),
      row("watch", watch, "ms until all is told", (s) => s.ms, 0),
      row("watch", watch, "ms until a change is told to all", (s) => s.changeMs, 1),
      row("watch", watch, "MB of heap", (s) => (s.heap ?? NaN) / 1e6, 1),
      row("watch", watch, "consumers on the server", (s) => s.consumers, 0),
    ],
    samples,
    others: "The process that was not measured",
  });
}
