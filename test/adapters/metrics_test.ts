import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../src/adapters/system/metrics.ts";
import type { Clock } from "../../src/ports/clock.ts";

test("increment() adds 1, or what it is told", () => {
  const metrics = createMetrics();
  metrics.increment("calls_total");
  metrics.increment("calls_total", undefined, 4);
  deepStrictEqual(metrics.snapshot().counters, [{ name: "calls_total", labels: {}, value: 5 }]);
});

test("series are told apart by their labels, in whatever order these come", () => {
  const metrics = createMetrics();
  metrics.increment("calls_total", { service: "a", method: "x" });
  metrics.increment("calls_total", { method: "x", service: "a" });
  metrics.increment("calls_total", { service: "b", method: "x" });
  deepStrictEqual(metrics.snapshot().counters.map(({ labels, value }) => [labels, value]), [
    [{ method: "x", service: "a" }, 2],
    [{ method: "x", service: "b" }, 1],
  ]);
});

test("labels with awkward values are not mistaken for each other", () => {
  const metrics = createMetrics();
  metrics.increment("calls_total", { a: '","b":"', b: "" });
  metrics.increment("calls_total", { a: "", b: '","b":"' });
  strictEqual(metrics.snapshot().counters.length, 2);
});

test("a frozen labels object and an equal fresh one count into the same series", () => {
  const metrics = createMetrics();
  const labels = Object.freeze({ service: "a" });
  metrics.increment("calls_total", labels);
  metrics.increment("calls_total", labels);
  metrics.increment("calls_total", { service: "a" });
  strictEqual(metrics.snapshot().counters[0]?.value, 3);
});

test("a labels object that is changed counts into another series", () => {
  const metrics = createMetrics();
  const labels = { service: "a" };
  metrics.increment("calls_total", labels);
  labels.service = "b";
  metrics.increment("calls_total", labels);
  deepStrictEqual(metrics.snapshot().counters.map((series) => series.labels), [
    { service: "a" },
    { service: "b" },
  ]);
});

test("gauge() keeps the last value", () => {
  const metrics = createMetrics();
  metrics.gauge("in_flight", 3);
  metrics.gauge("in_flight", -1.5);
  strictEqual(metrics.snapshot().gauges[0]?.value, -1.5);
});

test("a summary's count and mean are exact and its quantiles within 2 %", () => {
  for (const scale of [0.001, 1, 12_345.678]) {
    const metrics = createMetrics();
    for (let i = 1; i <= 10_000; i++) metrics.record("ms", i * scale);
    const { count, avg, p50, p90, p99 } = metrics.snapshot().summaries[0]!.value;
    strictEqual(count, 10_000);
    ok(Math.abs(avg / (5000.5 * scale) - 1) < 1e-9);
    for (const [found, exact] of [[p50, 5000], [p90, 9000], [p99, 9900]] as const) {
      ok(Math.abs(found / (exact * scale) - 1) <= 0.02, `${found} for ${exact * scale}`);
    }
  }
});

test("every magnitude that it tells apart is within 2 %", () => {
  for (let value = 1e-6; value < 1e13; value *= 1.37) {
    const metrics = createMetrics();
    // Wide around it, so that it is not the least or the greatest, which are exact.
    for (const n of [0, value, 1e14]) metrics.record("ms", n);
    const { p50 } = metrics.snapshot().summaries[0]!.value;
    ok(Math.abs(p50 / value - 1) <= 0.02, `${p50} for ${value}`);
  }
});

test("a single value is every quantile, exactly", () => {
  for (const value of [0, 1e-9, 7.3, 1e300]) {
    const metrics = createMetrics();
    metrics.record("ms", value);
    deepStrictEqual(metrics.snapshot().summaries[0]?.value, {
      count: 1,
      avg: value,
      p50: value,
      p90: value,
      p99: value,
    });
  }
});

test("what no summary, counter or gauge can hold is refused", () => {
  const metrics = createMetrics();
  for (const value of [NaN, -1, Infinity, -Infinity]) {
    throws(() => metrics.record("ms", value), RangeError);
    throws(() => metrics.increment("calls_total", undefined, value), RangeError);
  }
  throws(
    () => metrics.gauge("in_flight", NaN),
    /"in_flight": a gauge takes a finite number, not NaN/,
  );
  deepStrictEqual(metrics.snapshot(), { counters: [], gauges: [], summaries: [] });
});

test("names that Prometheus does not take are refused", () => {
  const metrics = createMetrics();
  for (const name of ["", "1st", "a-b", "a.b", "é"]) {
    throws(() => metrics.increment(name), RangeError);
  }
  for (const label of ["1st", "a-b", "a:b", "__name"]) {
    throws(() => metrics.increment("calls_total", { [label]: "x" }), RangeError);
  }
  throws(() => metrics.record("ms", 1, { quantile: "0.5" }), RangeError);
});

test("one name is one kind of metric, and a summary's _sum and _count are its own", () => {
  const metrics = createMetrics();
  metrics.record("ms", 1);
  throws(() => metrics.increment("ms"), /cannot be a counter: "ms" is in use by the summary "ms"/);
  throws(() => metrics.gauge("ms_count", 1), RangeError);
  metrics.increment("jobs_sum");
  throws(() => metrics.record("jobs", 1), RangeError);
});

test("series over the limit are counted together, so nothing is lost and memory stays flat", () => {
  const metrics = createMetrics({ maxSeries: 3 });
  for (let i = 0; i < 10; i++) metrics.increment("calls_total", Object.freeze({ id: String(i) }));
  metrics.increment("calls_total", { overflow: "true" });
  metrics.increment("calls_total", { id: "0" });
  deepStrictEqual(metrics.snapshot().counters.map(({ labels, value }) => [labels, value]), [
    [{ id: "0" }, 2],
    [{ id: "1" }, 1],
    [{ id: "2" }, 1],
    [{ overflow: "true" }, 8],
  ]);
});

test("timer() records the elapsed milliseconds, once", () => {
  let now = 100;
  const clock = { monotonic: () => now } as Clock;
  const metrics = createMetrics({ clock });
  const stop = metrics.timer("ms", { step: "a" });
  now += 25;
  strictEqual(stop(), 25);
  now += 25;
  strictEqual(stop(), 25);
  deepStrictEqual(metrics.snapshot().summaries[0]?.labels, { step: "a" });
  strictEqual(metrics.snapshot().summaries[0]?.value.count, 1);
});

test("prometheus() writes counters, gauges and summaries in the text format", () => {
  const metrics = createMetrics({ help: { calls_total: "Calls\nthat \\ were made" } });
  metrics.increment("calls_total", { b: 'say "hi"\n\\', a: "é" });
  metrics.gauge("in_flight", -2);
  metrics.record("ms", 5);
  strictEqual(
    metrics.prometheus(),
    [
      "# HELP calls_total Calls\\nthat \\\\ were made",
      "# TYPE calls_total counter",
      'calls_total{a="é",b="say \\"hi\\"\\n\\\\"} 1',
      "# HELP in_flight in flight",
      "# TYPE in_flight gauge",
      "in_flight -2",
      "# HELP ms ms",
      "# TYPE ms summary",
      'ms{quantile="0.5"} 5',
      'ms{quantile="0.9"} 5',
      'ms{quantile="0.99"} 5',
      "ms_sum 5",
      "ms_count 1",
      "",
    ].join("\n"),
  );
});

test("every line of prometheus() fits the format's grammar, each metric is in one piece, and no series comes twice", () => {
  const metrics = createMetrics({ maxSeries: 5 });
  for (let i = 0; i < 20; i++) {
    metrics.increment("a_total", { id: `${i}"\\\n,={}` });
    metrics.record("b_ms", i * 1e9, { id: String(i), service: "x" });
    metrics.gauge("c:d", i / 3e20);
  }
  const label = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"`;
  const number = String.raw`[-+]?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|Inf)`;
  const line = new RegExp(`^([a-zA-Z_:][\\w:]*(?:\\{${label}(?:,${label})*\\})?) ${number}$`);
  const types = new Set<string>();
  const series = new Set<string>();
  let current = "";
  const text = metrics.prometheus();
  ok(text.endsWith("\n"));
  for (const row of text.slice(0, -1).split("\n")) {
    const type = /^# TYPE ([\w:]+) (?:counter|gauge|summary)$/.exec(row);
    if (type !== null) {
      current = type[1]!;
      ok(!types.has(current), `${current} twice`);
      types.add(current);
    } else if (!row.startsWith("# HELP ")) {
      match(row, line);
      ok(row.startsWith(current));
      const id = line.exec(row)![1]!;
      ok(!series.has(id), `${id} twice`);
      series.add(id);
    }
  }
  strictEqual(types.size, 3);
});

test("a limit that is none is refused", () => {
  for (const maxSeries of [0, -1, 1.5, NaN]) throws(() => createMetrics({ maxSeries }), RangeError);
});
