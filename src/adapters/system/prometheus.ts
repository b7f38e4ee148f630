// Prometheus' text format, version 0.0.4.

import type { Labels } from "../../ports/metrics.ts";

/** One line: a name, labels, and one label more where there is one. */
function sample(name: string, labels: Labels, value: number, quantile?: string): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  if (quantile !== undefined) pairs.push(`quantile="${quantile}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

/** As Go reads floats, which is how the format defines them. */
function number(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}

/** The two lines above a metric. */
export function head(name: string, type: string, help: string): string {
  const text = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return `# HELP ${name} ${text}\n# TYPE ${name} ${type}\n`;
}

/** The line of a counter or a gauge. */
export function plainSample(name: string, labels: Labels, value: number): string {
  return sample(name, labels, value);
}

/** What a summary gives to its lines. */
export interface SummarySample {
  /** How many values. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** Pairs of share and value. */
  readonly quantiles: readonly (readonly [share: number, value: number])[];
}

/** The lines of a summary. */
export function summarySample(name: string, labels: Labels, summary: SummarySample): string {
  let text = "";
  for (const [share, value] of summary.quantiles) {
    text += sample(name, labels, value, String(share));
  }
  return text + sample(`${name}_sum`, labels, summary.sum) +
    sample(`${name}_count`, labels, summary.count);
}
