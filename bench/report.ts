// The report of the side-by-side runs: medians, ratios and goals as a table.

/** The two that are compared. */
export type Kind = "bare" | "aegis";

/** What every measurement says of itself. */
export interface Measured {
  /** Which round, from 1. */
  readonly round: number;
  /** Who was measured. */
  readonly kind: Kind;
  /** The share of one core that those used meanwhile who were not measured. */
  readonly othersShare: number;
}

/** What is to be reached: a ratio of aegis to bare, or a figure by aegis alone. */
export type Goal = ({ readonly ratio: number } | { readonly figure: number }) & {
  /** Whether more is better. */
  readonly atLeast: boolean;
};

/** A row of the table: one figure of measurements that belong together. */
export interface Row<S extends Measured> {
  /** What they have in common; the first column. */
  readonly group: string;
  readonly label: string;
  /** Whether a measurement is one of them. */
  readonly of: (sample: S) => boolean;
  readonly value: (sample: S) => number | undefined;
  readonly digits: number;
  readonly goal?: Goal;
}

/** What a table shows. */
export interface TableOptions<S extends Measured> {
  /** The runtime and its version. */
  readonly heading: string;
  /** What the first column shows. */
  readonly group: { readonly title: string; readonly left: boolean };
  readonly rows: readonly Row<S>[];
  readonly samples: readonly S[];
  /** Those who were not measured, while others were. */
  readonly others: string;
}

/** The table of one runtime, as Markdown that is aligned for a terminal too. */
export function tableOf<S extends Measured>(options: TableOptions<S>): string {
  const { heading, group, rows, samples, others } = options;
  const cells = rows
    .filter((row) => samples.some((sample) => row.of(sample) && !Number.isNaN(row.value(sample))))
    .map((row) => cellsOf(row, samples));
  const head = [group.title, "", "bare", "aegis", "aegis/bare", "min–max", "goal", ""];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]!.length))
  );
  const isLeft = (column: number): boolean =>
    column === 1 || column === 7 || (column === 0 && group.left);
  const line = (row: readonly string[]): string =>
    `| ${
      row.map((cell, column) =>
        isLeft(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
      ).join(" | ")
    } |`;
  const rule = `|${
    widths.map((width, column) =>
      isLeft(column) ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`
    ).join("|")
  }|`;
  const busiest = Math.max(...samples.map((sample) => sample.othersShare));
  return [
    `### ${heading}`,
    "",
    line(head),
    rule,
    ...cells.map(line),
    "",
    `${others} used at most ${(busiest * 100).toFixed(1)} % of a core.`,
  ].join("\n");
}

function cellsOf<S extends Measured>(row: Row<S>, all: readonly S[]): string[] {
  const { group, label, value, digits, goal } = row;
  const samples = all.filter(row.of);
  const of = (kind: Kind): number[] =>
    samples.filter((sample) => sample.kind === kind).map((sample) => value(sample) ?? NaN);
  const bare = of("bare");
  const aegis = of("aegis");
  const ratios = aegis.map((figure, round) => figure / bare[round]!);
  const ratio = median(ratios);
  const goals = goal === undefined ? ["", ""] : goalCells(goal, ratio, median(aegis));
  return [
    group,
    label,
    number(median(bare), digits),
    number(median(aegis), digits),
    `${ratio.toFixed(2)} ×`,
    `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    ...goals,
  ];
}

function goalCells(goal: Goal, ratio: number, figure: number): string[] {
  const [is, wanted, text] = "ratio" in goal
    ? [ratio, goal.ratio, `${goal.ratio} ×`]
    : [figure, goal.figure, goal.figure.toLocaleString("en")];
  const reached = goal.atLeast ? is >= wanted : is <= wanted;
  return [`${goal.atLeast ? "≥" : "≤"} ${text}`, reached ? "reached" : "not reached"];
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle)
    ? (sorted[middle - 1]! + sorted[middle]!) / 2
    : sorted[Math.floor(middle)]!;
}

function number(value: number, digits: number): string {
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** One measurement of calls. */
export interface Sample extends Measured {
  /** Calls in flight. */
  readonly inFlight: number;
  /** Calls in a second. */
  readonly callsPerSecond: number;
  /** CPU time of the client for a call, in microseconds. */
  readonly clientCpuUs: number;
  /** CPU time of the service for a call, in microseconds. */
  readonly serviceCpuUs: number;
  /** CPU time of the nats-server for a call, in microseconds; NaN where it cannot be told. */
  readonly serverCpuUs: number;
  /** Median time of a call in milliseconds, one at a time. */
  readonly p50Ms?: number;
  /** 99th percentile of it. */
  readonly p99Ms?: number;
}

/** What was measured of calls on one runtime. */
export interface RuntimeRun {
  /** `"deno"`, `"bun"` or `"node"`. */
  readonly runtime: string;
  /** Its version. */
  readonly version: string;
  /** Every measurement. */
  readonly samples: readonly Sample[];
}

/** The table of calls on one runtime. */
export function table({ runtime, version, samples }: RuntimeRun): string {
  const levels = [...new Set(samples.map((sample) => sample.inFlight))];
  return tableOf({
    heading: `${runtime} ${version}`,
    group: { title: "in flight", left: false },
    rows: levels.flatMap((level) => rowsOf(runtime, level)),
    samples,
    others: "The pair that was not measured",
  });
}

function rowsOf(runtime: string, inFlight: number): Row<Sample>[] {
  const row = (
    label: string,
    value: (sample: Sample) => number | undefined,
    digits: number,
    goal?: Goal,
  ): Row<Sample> => ({
    group: inFlight.toLocaleString("en"),
    label,
    of: (sample) => sample.inFlight === inFlight,
    value,
    digits,
    ...(goal === undefined ? {} : { goal }),
  });
  const cpu = [
    row("client, µs of CPU a call", (s) => s.clientCpuUs, 1),
    row("service, µs of CPU a call", (s) => s.serviceCpuUs, 1),
    row("nats-server, µs of CPU a call", (s) => s.serverCpuUs, 1),
  ];
  if (inFlight === 1) {
    const goal = { ratio: 1, atLeast: false };
    return [
      row("p50, ms", (s) => s.p50Ms, 3, goal),
      row("p99, ms", (s) => s.p99Ms, 3, goal),
      ...cpu,
    ];
  }
  return [row("calls/s", (s) => s.callsPerSecond, 0, throughputGoal(runtime, inFlight)), ...cpu];
}

/** What is to be reached, as a ratio to bare nats.js. */
function throughputGoal(runtime: string, inFlight: number): Goal | undefined {
  if (inFlight !== 64 && inFlight !== 256 && inFlight !== 1_024) return undefined;
  return { ratio: runtime === "bun" ? 1.5 : inFlight === 64 ? 2 : 2.5, atLeast: true };
}
