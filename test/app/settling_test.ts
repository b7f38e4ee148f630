// After an outage: a service that was there is waited for, and one that never was is not.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, createService, rpc, UnavailableError } from "../../mod.ts";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";
import { errorOf } from "./buses.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A client and a service whose connections were cut at once; the client is back. */
async function afterOutage(answeredBefore: boolean) {
  const broker = new MemoryBroker();
  const near = createMemoryTransport(broker);
  const far = createMemoryTransport(broker);
  const bus = await connect({ transport: near, logger });
  const server = await connect({ transport: far, logger });
  const service = createService("shop", { bus: server, handlers: [rpc("run", () => 1)] });
  await service.start();
  const { call } = createClient({ bus });
  if (answeredBefore) strictEqual(await call("shop", "run"), 1);
  near.disconnect();
  far.disconnect();
  near.reconnect();
  return {
    call,
    near,
    far,
    async [Symbol.asyncDispose]() {
      await service.stop({ graceMs: 0 });
      await bus.close();
      await server.close();
    },
  };
}

test("a method that has answered before is waited for after an outage", async () => {
  await using outage = await afterOutage(true);
  const result = outage.call("shop", "run");
  setTimeout(() => outage.far.reconnect(), 150);
  strictEqual(await result, 1);
});

test("a call that was made in an outage waits for its service after it, whoever has answered before", async () => {
  await using outage = await afterOutage(false);
  outage.near.disconnect();
  const result = outage.call("shop", "run");
  outage.near.reconnect();
  setTimeout(() => outage.far.reconnect(), 150);
  strictEqual(await result, 1);
});

for (
  const [what, service, method, answered] of [
    ["a service that is not there", "nobody", "run", true],
    ["a method that is not there", "shop", "other", true],
    ["a method that was never called before", "shop", "run", false],
  ] as const
) {
  test(`nobody waits after an outage for ${what}`, async () => {
    await using outage = await afterOutage(answered);
    const started = performance.now();
    const error = await errorOf(outage.call(service, method));
    const ms = performance.now() - started;
    ok(error instanceof UnavailableError, String(error));
    strictEqual(error.details.sent, false);
    ok(ms < 1_000, `${ms} ms`);
  });
}

test("nobody waits after an outage where retry is false", async () => {
  await using outage = await afterOutage(true);
  const started = performance.now();
  ok(await errorOf(outage.call("shop", "run", {}, { retry: false })) instanceof UnavailableError);
  ok(performance.now() - started < 1_000);
});
