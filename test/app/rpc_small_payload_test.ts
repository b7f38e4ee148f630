// A server that takes small messages: what does not fit is cut or left out, and the caller still gets its answer.

import { ok, strictEqual } from "node:assert/strict";
import { after, test } from "node:test";
import { AegisError, connect, createClient, createService, rpc, RpcError } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { errorOf } from "./buses.ts";

const server = await startNatsServer({ jetstream: false, config: "max_payload: 4096" });
after(() => server.stop());

const logger = { debug() {}, info() {}, warn() {}, error() {} };

for (
  const [what, thrown, code] of [
    ["whose data do not fit", new RpcError("TAKEN", "taken", "x".repeat(10_000)), "TAKEN"],
    ["whose data just do not fit", new RpcError("TAKEN", "taken", "x".repeat(3_900)), "TAKEN"],
    ["whose message does not fit", new Error("x".repeat(20_000)), "INTERNAL_ERROR"],
    ["whose message has many bytes", new Error("🌍".repeat(2_000)), "INTERNAL_ERROR"],
  ] as const
) {
  test(`an error ${what} into a message arrives without what is too much`, async () => {
    await using bus = await connect({ servers: server.url, logger });
    await using service = createService("shop", {
      bus,
      handlers: [
        rpc("fail", () => {
          throw thrown;
        }),
      ],
    });
    await service.start();
    const error = await errorOf(
      createClient({ bus }).call("shop", "fail", {}, { timeoutMs: 1_000 }),
    );
    ok(AegisError.is(error));
    strictEqual(error.code, code, error.message);
  });
}
