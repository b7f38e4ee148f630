// Connections that break and are made again.

import { rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connectNats } from "../../src/adapters/nats/connect.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";

test("connections are made again for ever", async () => {
  let attempts: number | undefined;
  await rejects(connectNats(parseConnectOptions({ servers: "nats://127.0.0.1:1" }, {}), {
    dial: (options) => {
      attempts = options.maxReconnectAttempts;
      return Promise.reject(new Error("not today"));
    },
  }));
  strictEqual(attempts, -1);
});
