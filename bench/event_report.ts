// The report of the run of events: which figures, beside which goals.

import { type Goal, type Measured, type Row, tableOf } from "./report.ts";

/** What is measured. */
export interface Case {
  /** Its name on the command line. */
  readonly name: string;
  /** Its name in the table. */
  readonly label: string;
  /** How many are in flight; undefined where events are consumed. */
  readonly inFlight: number | undefined;
  /** Whether by `publishMany()`, where there is one. */
  readonly many?: boolean;
  /** Whether bare nats.js iterates over the messages that it consumes. */
  readonly iterate?: boolean;
  /** The ratio that is to be reached. */
  readonly goal: Goal;
}

/** All that is measured, in its order. */
export const CASES: readonly Case[] = [
  {
    name: "publish-1",
    label: "publish, one at a time",
    inFlight: 1,
    goal: { ratio: 1, atLeast: false },
  },
  {
    name: "publish-64",
    label: "publish, 64 in flight",
    inFlight: 64,
    goal: { ratio: 2.2, atLeast: true },
  },
  {
    name: "publish-1024",
    label: "publish, 1,024 in flight",
    inFlight: 1_024,
    goal: { ratio: 3.5, atLeast: true },
  },
  {
    name: "publish-many",
    label: "publishMany (bare: publish, 1,024 in flight)",
    inFlight: 1_024,
    many: true,
    goal: { ratio: 4, atLeast: true },
  },
  {
    name: "consume",
    label: "consume and ack (bare: callback)",
    inFlight: undefined,
    goal: { ratio: 1.2, atLeast: true },
  },
  {
    name: "consume-iterator",
    label: "consume and ack (bare: iterator)",
    inFlight: undefined,
    iterate: true,
    goal: { ratio: 1.2, atLeast: true },
  },
];

/** One measurement of events. */
export interface EventSample extends Measured {
  /** The name of what was measured. */
  readonly case: string;
  /** Events in a second. */
  readonly eventsPerSecond: number;
  /** CPU time of the process that published or consumed for an event, in microseconds. */
  readonly clientCpuUs: number;
  /** CPU time of the nats-server for an event, in microseconds; NaN where it cannot be told. */
  readonly serverCpuUs: number;
  /** Median time until an event was stored in milliseconds, one at a time. */
  readonly p50Ms?: number;
  /** 99th percentile of it. */
  readonly p99Ms?: number;
}

/** What was measured of events on one runtime. */
export interface EventRun {
  /** `"deno"`, `"bun"` or `"node"`. */
  readonly runtime: string;
  /** Its version. */
  readonly version: string;
  /** Every measurement. */
  readonly samples: readonly EventSample[];
}

/** The table of events on one runtime. */
export function eventTable({ runtime, version, samples }: EventRun): string {
  return tableOf({
    heading: `${runtime} ${version}`,
    group: { title: "events", left: true },
    rows: CASES.flatMap(rowsOf),
    samples,
    others: "The process that was not measured",
  });
}

function rowsOf({ name, label: group, inFlight, goal }: Case): Row<EventSample>[] {
  const common = { group, of: (sample: EventSample) => sample.case === name };
  const speed: Row<EventSample>[] = inFlight === 1
    ? [
      { ...common, label: "p50, ms", value: (s) => s.p50Ms, digits: 3, goal },
      { ...common, label: "p99, ms", value: (s) => s.p99Ms, digits: 3 },
    ]
    : [{ ...common, label: "events/s", value: (s) => s.eventsPerSecond, digits: 0, goal }];
  return [
    ...speed,
    {
      ...common,
      label: `${inFlight === undefined ? "consumer" : "publisher"}, µs of CPU an event`,
      value: (s) => s.clientCpuUs,
      digits: 1,
    },
    {
      ...common,
      label: "nats-server, µs of CPU an event",
      value: (s) => s.serverCpuUs,
      digits: 1,
    },
  ];
}
