// What servers say in place of messages to whoever asked a consumer for some.

import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { NatsMessage } from "../../src/adapters/nats/message.ts";
import { type PullStatus, readPullStatus } from "../../src/adapters/nats/pull_status.ts";

function read(code: number, description: string, pending?: number): PullStatus {
  return readPullStatus({
    status: { code, description },
    header: (name: string) =>
      name === "Nats-Pending-Messages" && pending !== undefined ? String(pending) : undefined,
  } as unknown as NatsMessage);
}

test("a heartbeat says that the server is there", () => {
  deepStrictEqual(read(100, "Idle Heartbeat"), { kind: "alive" });
});

test("a request that is over gives back what has not come", () => {
  deepStrictEqual(read(408, "Request Timeout", 7), { kind: "over", left: 7 });
  deepStrictEqual(read(408, "Interest Expired", 3), { kind: "over", left: 3 });
  deepStrictEqual(read(409, "Message Size Exceeds MaxBytes", 1), { kind: "over", left: 1 });
  deepStrictEqual(read(409, "Batch Completed", 0), { kind: "over", left: 0 });
});

test("where nobody serves the consumer, or somebody else does, all requests are void", () => {
  for (const description of ["Leadership Change", "Server Shutdown"]) {
    deepStrictEqual(read(409, description), { kind: "void", deleted: false }, description);
  }
  for (const description of ["Consumer Deleted", "Stream Deleted"]) {
    deepStrictEqual(read(409, description), { kind: "void", deleted: true }, description);
  }
  deepStrictEqual(read(503, ""), { kind: "void", deleted: false });
});

test("a limit for one request is read", () => {
  deepStrictEqual(read(409, "Exceeded MaxRequestBatch of 10"), { kind: "limit", batch: 10 });
  const times = { "2s": 2_000, "1m30s": 90_000, "500ms": 500, "1h0m0s": 3_600_000, "1.5s": 1_500 };
  for (const [text, expiresMs] of Object.entries(times)) {
    deepStrictEqual(read(409, `Exceeded MaxRequestExpires of ${text}`), {
      kind: "limit",
      expiresMs,
    });
  }
});

test("whatever else a server says is a refusal, in its own words", () => {
  for (
    const [code, description] of [
      [409, "Exceeded MaxWaiting"],
      [409, "Consumer is push based"],
      [400, "Bad Request - heartbeat value too large"],
      [409, "Exceeded MaxRequestExpires of nothing"],
      [423, "Nats-Pin-Id mismatch"],
      [404, "No Messages"],
    ] as const
  ) deepStrictEqual(read(code, description), { kind: "refused", reason: `${code} ${description}` });
});
