// The report of the side-by-side run: medians, ratios and goals as a table.

/** The two that are compared. */
export type Kind = "bare" | "aegis";

/** One measurement. */
export interface Sample {
  /** Which round, from 1. */
  readonly round: number;
  /** Calls in flight. */
  readonly inFlight: number;
  /** Who was measured. */
  readonly kind: Kind;
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
  /** The share of one core that the other pair used meanwhile. */
  readonly othersShare: number;
}

/** What was measured on one runtime. */
export interface RuntimeRun {
  /** `"deno"`, `"bun"` or `"node"`. */
  readonly runtime: string;
  /** Its version. */
  readonly version: string;
  /** Every measurement. */
  readonly samples: readonly Sample[];
}

/** A ratio of aegis to bare that is to be reached. */
interface Goal {
  readonly ratio: number;
  /** Whether more is better. */
  readonly atLeast: boolean;
}

interface Row {
  readonly label: string;
  readonly inFlight: number;
  readonly value: (sample: Sample) => number | undefined;
  readonly digits: number;
  readonly goal?: Goal;
}

/** What is to be reached, as a ratio to bare nats.js. */
function throughputGoal(runtime: string, inFlight: number): Goal | undefined {
  if (inFlight !== 64 && inFlight !== 256 && inFlight !== 1_024) return undefined;
  return { ratio: runtime === "bun" ? 1.5 : inFlight === 64 ? 2 : 2.5, atLeast: true };
}

function rowsOf(runtime: string, inFlight: number): Row[] {
  const cpu: Row[] = [
    { label: "client, µs of CPU a call", inFlight, value: (s) => s.clientCpuUs, digits: 1 },
    { label: "service, µs of CPU a call", inFlight, value: (s) => s.serviceCpuUs, digits: 1 },
    { label: "nats-server, µs of CPU a call", inFlight, value: (s) => s.serverCpuUs, digits: 1 },
  ];
  if (inFlight === 1) {
    const goal = { ratio: 1, atLeast: false };
    return [
      { label: "p50, ms", inFlight, value: (s) => s.p50Ms, digits: 3, goal },
      { label: "p99, ms", inFlight, value: (s) => s.p99Ms, digits: 3, goal },
      ...cpu,
    ];
  }
  const goal = throughputGoal(runtime, inFlight);
  return [{
    label: "calls/s",
    inFlight,
    value: (s) => s.callsPerSecond,
    digits: 0,
    ...(goal === undefined ? {} : { goal }),
  }, ...cpu];
}

/** The table of one runtime, as Markdown that is aligned for a terminal too. */
export function table({ runtime, version, samples }: RuntimeRun): string {
  const levels = [...new Set(samples.map((sample) => sample.inFlight))];
  const cells = levels.flatMap((level) => rowsOf(runtime, level))
    .filter((row) => samples.some((sample) => !Number.isNaN(row.value(sample))))
    .map((row) => cellsOf(row, samples));
  const head = ["in flight", "", "bare", "aegis", "aegis/bare", "min–max", "goal", ""];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]!.length))
  );
  const line = (row: readonly string[]): string =>
    `| ${
      row.map((cell, column) =>
        column === 1 || column === 7 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
      ).join(" | ")
    } |`;
  const rule = `|${
    widths.map((width, column) =>
      column === 1 || column === 7 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`
    ).join("|")
  }|`;
  const busiest = Math.max(...samples.map((sample) => sample.othersShare));
  return [
    `### ${runtime} ${version}`,
    "",
    line(head),
    rule,
    ...cells.map(line),
    "",
    `The pair that was not measured used at most ${(busiest * 100).toFixed(1)} % of a core.`,
  ].join("\n");
}

function cellsOf({ label, inFlight, value, digits, goal }: Row, all: readonly Sample[]): string[] {
  const samples = all.filter((sample) => sample.inFlight === inFlight);
  const of = (kind: Kind): number[] =>
    samples.filter((sample) => sample.kind === kind).map((sample) => value(sample) ?? NaN);
  const bare = of("bare");
  const aegis = of("aegis");
  const ratios = aegis.map((figure, round) => figure / bare[round]!);
  const ratio = median(ratios);
  const reached = goal !== undefined &&
    (goal.atLeast ? ratio >= goal.ratio : ratio <= goal.ratio);
  return [
    inFlight.toLocaleString("en"),
    label,
    number(median(bare), digits),
    number(median(aegis), digits),
    `${ratio.toFixed(2)} ×`,
    `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    goal === undefined ? "" : `${goal.atLeast ? "≥" : "≤"} ${goal.ratio} ×`,
    goal === undefined ? "" : reached ? "reached" : "not reached",
  ];
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
