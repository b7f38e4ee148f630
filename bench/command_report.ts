// The report of the run of commands: which figures, beside which goals.

import type { Together } from "./command_contract.ts";
import { type Goal, type Measured, median, type Row, tableOf } from "./report.ts";

/** What is measured. */
export interface Case {
  /** Its name on the command line. */
  readonly name: string;
  /** Its name in the table. */
  readonly label: string;
  /** How many are in flight. */
  readonly inFlight: number;
  /** How many reports of progress each makes. */
  readonly reports: number;
}

/** All that is measured, in its order. */
export const CASES: readonly Case[] = [
  { name: "one", label: "one at a time, 3 reports", inFlight: 1, reports: 3 },
  { name: "many", label: "256 in flight, 3 reports", inFlight: 256, reports: 3 },
  { name: "many-silent", label: "256 in flight, no report", inFlight: 256, reports: 0 },
];

/** One measurement of commands. */
export interface CommandSample extends Measured {
  /** The name of what was measured. */
  readonly case: string;
  /** Commands in a second. */
  readonly commandsPerSecond: number;
  /** CPU time of the sender for a command, in microseconds. */
  readonly clientCpuUs: number;
  /** CPU time of the worker for a command, in microseconds. */
  readonly workerCpuUs: number;
  /** CPU time of the nats-server for a command, in microseconds; NaN where it cannot be told. */
  readonly serverCpuUs: number;
  /** Messages that streams have stored for a command. */
  readonly stored: number;
  /** Median time from sending to the result in milliseconds, one at a time. */
  readonly p50Ms?: number;
  /** 99th percentile of it. */
  readonly p99Ms?: number;
}

/** What was measured of commands on one runtime. */
export interface CommandRun {
  /** `"deno"`, `"bun"` or `"node"`. */
  readonly runtime: string;
  /** Its version. */
  readonly version: string;
  /** Every measurement. */
  readonly samples: readonly CommandSample[];
  /** Those that waited for each other, by round. */
  readonly together: readonly Together[];
}

/** The table of commands on one runtime. */
export function commandTable({ runtime, version, samples, together }: CommandRun): string {
  const heading = `${runtime} ${version}`;
  const table = tableOf({
    heading,
    group: { title: "commands", left: true },
    rows: CASES.flatMap(rowsOf),
    samples,
    others: "The pair that was not measured",
  });
  return together.length === 0 ? table : `${table}\n${togetherText(together)}`;
}

function togetherText(together: readonly Together[]): string {
  const atOnce = Math.min(...together.map((one) => one.atOnce));
  const ms = median(together.map((one) => one.ms));
  return `Running at once in one worker process: ${
    atOnce.toLocaleString("en")
  } begun and not ended at one moment in ` +
    `each of ${together.length} rounds; from the first send to the last result ${
      ms.toFixed(0)
    } ms.`;
}

function rowsOf({ name, label: group, inFlight }: Case): Row<CommandSample>[] {
  const row = (
    label: string,
    value: (sample: CommandSample) => number | undefined,
    digits: number,
    goal?: Goal,
  ): Row<CommandSample> => ({
    group,
    label,
    of: (sample) => sample.case === name,
    value,
    digits,
    ...(goal === undefined ? {} : { goal }),
  });
  const speed = inFlight === 1
    ? [
      row("p50, ms", (s) => s.p50Ms, 3, { figure: 1, atLeast: false }),
      row("p99, ms", (s) => s.p99Ms, 3, { figure: 4, atLeast: false }),
    ]
    : [row("commands/s", (s) => s.commandsPerSecond, 0, { figure: 10_000, atLeast: true })];
  return [
    ...speed,
    row("messages stored a command", (s) => s.stored, 2),
    row("sender, µs of CPU a command", (s) => s.clientCpuUs, 1),
    row("worker, µs of CPU a command", (s) => s.workerCpuUs, 1),
    row("nats-server, µs of CPU a command", (s) => s.serverCpuUs, 1),
  ];
}
