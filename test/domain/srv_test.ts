// The NATS service protocol: subjects, verbs and what is answered.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { CallStats } from "../../src/domain/call_stats.ts";
import {
  srvAnswer,
  type SrvEndpoint,
  srvIdentity,
  srvSubjects,
  srvVerb,
} from "../../src/domain/srv.ts";

const STARTED = "2026-01-02T03:04:05.678Z";
const identity = srvIdentity("orders", "orders-1", "1.2.3", { zone: "a" });
const endpoint = (more: object = {}, stats = new CallStats()): SrvEndpoint => ({
  method: { name: "create", ...more },
  stats,
});
const answer = (verb: "PING" | "INFO" | "STATS", ...endpoints: SrvEndpoint[]) =>
  JSON.parse(srvAnswer(verb, identity, STARTED, endpoints));

test("an instance is asked as one of all, as one of its service, and alone", () => {
  deepStrictEqual(srvSubjects("orders", "orders-1"), [
    "$SRV.*",
    "$SRV.*.orders",
    "$SRV.*.orders.orders-1",
  ]);
});

test("a verb is known or not", () => {
  strictEqual(srvVerb("$SRV.PING"), "PING");
  strictEqual(srvVerb("$SRV.INFO.orders"), "INFO");
  strictEqual(srvVerb("$SRV.STATS.orders.orders-1"), "STATS");
  for (const subject of ["$SRV", "$SRV.", "$SRV.ping", "$SRV.SCHEMA", "$SRV.toString", ""]) {
    strictEqual(srvVerb(subject), undefined);
  }
});

test("PING says who it is", () => {
  deepStrictEqual(answer("PING", endpoint()), {
    type: "io.nats.micro.v1.ping_response",
    name: "orders",
    id: "orders-1",
    version: "1.2.3",
    metadata: { zone: "a" },
  });
});

test("INFO says what it offers, with schemas as text", () => {
  const { type, description, endpoints } = answer(
    "INFO",
    endpoint({ description: "Creates", input: { type: "object" }, output: { type: "string" } }),
    { ...endpoint(), method: { name: "read" } },
  );
  deepStrictEqual([type, description], ["io.nats.micro.v1.info_response", ""]);
  deepStrictEqual(endpoints, [
    {
      name: "create",
      subject: "rpc.orders.create",
      queue_group: "rpc.orders",
      metadata: {
        description: "Creates",
        params: '{"type":"object"}',
        result: '{"type":"string"}',
      },
    },
    { name: "read", subject: "rpc.orders.read", queue_group: "rpc.orders", metadata: {} },
  ]);
});

test("INFO leaves out schemas that do not fit", () => {
  const large = endpoint({ description: "d", input: { description: "x".repeat(200_000) } });
  deepStrictEqual(answer("INFO", large).endpoints[0].metadata, {});
});

test("INFO counts bytes, and knows how large a message may be", () => {
  const wide = endpoint({ input: { description: "é".repeat(70_000) } });
  deepStrictEqual(answer("INFO", wide).endpoints[0].metadata, {});
  const small = endpoint({ input: { description: "x".repeat(2_000) } });
  const within = (bytes: number) =>
    JSON.parse(srvAnswer("INFO", identity, STARTED, [small], bytes)).endpoints[0].metadata;
  deepStrictEqual(within(1_024), {});
  ok(within(4_096).params.length > 2_000);
});

test("STATS says how it was used, in whole nanoseconds", () => {
  const stats = new CallStats();
  stats.succeeded(1.5);
  stats.succeeded(2);
  stats.failed(0.25, "EMAIL_TAKEN", new Error(`taken ${"x".repeat(1_000)}`));
  const { type, started, endpoints } = answer("STATS", endpoint({}, stats), endpoint());
  deepStrictEqual([type, started], ["io.nats.micro.v1.stats_response", STARTED]);
  const [used, unused] = endpoints;
  ok(used.last_error.startsWith("EMAIL_TAKEN: taken xxx"));
  strictEqual(used.last_error.length, 256);
  deepStrictEqual({ ...used, last_error: "" }, {
    name: "create",
    subject: "rpc.orders.create",
    queue_group: "rpc.orders",
    num_requests: 3,
    num_errors: 1,
    last_error: "",
    processing_time: 3_750_000,
    average_processing_time: 1_250_000,
  });
  deepStrictEqual([unused.num_requests, unused.average_processing_time, unused.last_error], [
    0,
    0,
    "",
  ]);
});

test("metadata is texts, and a version of another shape is told there", () => {
  const { version, metadata } = srvIdentity("orders", "1", "2026-a", {
    zone: "a",
    port: 80,
    nested: { list: [1] },
    none: undefined,
    long: "x".repeat(10_000),
  });
  strictEqual(version, "0.0.0");
  strictEqual(metadata.long?.length, 4_096);
  deepStrictEqual({ ...metadata, long: "" }, {
    zone: "a",
    port: "80",
    nested: '{"list":[1]}',
    long: "",
    version: "2026-a",
  });
  for (const version of ["1.2.3", "0.0.0", "1.0.0-rc.1+build.5"]) {
    strictEqual(srvIdentity("orders", "1", version, {}).version, version);
  }
  for (const version of ["1.2", "v1.2.3", "01.2.3", "", "1.2.3-"]) {
    strictEqual(srvIdentity("orders", "1", version, {}).version, "0.0.0");
  }
});
