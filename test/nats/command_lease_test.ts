// Leases over restarts of a server, which then knows less than it was told.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type Bus, command, connect, createClient, createService } from "../../mod.ts";
import { connect as connectNats } from "@nats-io/transport-node";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, pause, until, wayTo } from "./outage_tools.ts";

const ACK_WAIT_MS = 2_000;

test("a server that was restarted gives a command away only when its worker has let go of it", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using far = await connect({ servers: way.url, logger });
  await using near = await connect({ servers: server.url, logger });
  const begun = Promise.withResolvers<void>();
  let abortedAt = 0, begunAt = 0;
  const serve = async (bus: Bus, run: (signal: AbortSignal) => unknown) => {
    const work = command("work", { ackWaitMs: ACK_WAIT_MS }, (_, { signal }) => run(signal));
    const service = createService("svc", { bus, handlers: [work] });
    await service.start();
    return service;
  };
  await using _first = await serve(far, (signal) => {
    begun.resolve();
    return new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => {
        abortedAt = performance.now();
        reject(signal.reason);
      })
    );
  });
  const job = await createClient({ bus: near }).send("svc", "work");
  await begun.promise;
  await using _second = await serve(near, () => {
    begunAt = performance.now();
    return "second";
  });
  // A server remembers words to the whole second, downwards: one of x.8 s is forgotten 0.8 s too early.
  await way.cut();
  while (Date.now() % 1_000 < 780 || Date.now() % 1_000 > 820) await pause(2);
  await way.mend();
  await until("it has said that it is there", () => far.status === "connected");
  await pause(50);
  await way.cut();
  await server.kill();
  await server.restart();
  strictEqual(await job.result(), "second");
  ok(abortedAt > 0 && abortedAt < begunAt, `${begunAt - abortedAt} ms`);
  await way.mend();
});

/** Two instances of which the first has a command that it keeps until it is told, and how often it ran and at once. */
async function kept(buses: readonly Bus[], ackWaitMs: number, waitMs: number) {
  const gate = Promise.withResolvers<void>();
  const seen = { begun: 0, running: 0, most: 0 };
  const work = command("work", { ackWaitMs, concurrency: 50 }, async (_, { signal }) => {
    seen.begun++;
    seen.most = Math.max(seen.most, ++seen.running);
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    await Promise.race([gate.promise, aborted]);
    seen.running--;
    signal.throwIfAborted();
    return "done";
  });
  const job = await createClient({ bus: buses[0]! }).send("svc", "work");
  // What has waited for a while a killed server takes for delivered then.
  await pause(waitMs);
  const services = buses.map((bus) => createService("svc", { bus, handlers: [work] }));
  await services[0]!.start();
  await until("it runs", () => seen.begun === 1);
  const stop = async (): Promise<void> => {
    gate.resolve();
    await Promise.all(services.map((service) => service.stop()));
  };
  return { job, seen, gate, second: services[1]!, [Symbol.asyncDispose]: stop };
}

test("a server that is killed as a command that had waited begins gives it to nobody else", async () => {
  await using server = await startNatsServer();
  await using one = await connect({ servers: server.url, logger });
  await using other = await connect({ servers: server.url, logger });
  // Longer than a server takes to come back on a busy machine: otherwise the lease is over, and another may have it.
  await using here = await kept([one, other], 5_000, 6_200);
  await here.second.start();
  for (const waitMs of [20, 600]) {
    await pause(waitMs);
    await server.kill();
    await server.restart();
    await until(
      "both are back",
      () => [one, other].every(({ status }) => status === "connected"),
    );
  }
  await pause(500);
  here.gate.resolve();
  strictEqual(await here.job.result(), "done");
  deepStrictEqual([here.seen.begun, here.seen.most], [1, 1]);
});

test("a delivery too many takes a command from nobody", async () => {
  await using server = await startNatsServer();
  await using one = await connect({ servers: server.url, logger });
  await using other = await connect({ servers: server.url, logger });
  await using here = await kept([one, other], 2_000, 0);
  await here.second.start();
  // As a late nak of an earlier delivery: the server takes it for one of the last.
  const wire = await connectNats({ servers: server.url });
  const subject = "$JS.ACK.COMMANDS_svc.svc=work+normal.1.1.1.0.0";
  for (let i = 0; i < 5; i++) {
    await wire.request(subject, "-NAK");
    await pause(100);
  }
  await wire.close();
  deepStrictEqual([here.seen.begun, here.seen.most], [1, 1]);
  here.gate.resolve();
  strictEqual(await here.job.result(), "done");
  strictEqual((await here.job.status()).attempts, 1);
});
