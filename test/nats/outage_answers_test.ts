// Answers over an outage: they reach their callers, whichever side was away.

import { strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, rpc } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { gate, logger, pause, serve, until, wayTo, within } from "./outage_tools.ts";

for (const first of ["service", "client"] as const) {
  test(`an answer given in an outage reaches its caller when the ${first} is back first`, async () => {
    await using server = await startNatsServer({ jetstream: false });
    await using toService = await wayTo(server);
    await using toClient = await wayTo(server);
    await using serviceBus = await connect({ servers: toService.url, logger });
    await using bus = await connect({ servers: toClient.url, logger });
    const { arrived, arrive, opened, open } = gate();
    const slow = rpc("slow", async () => {
      arrive();
      await opened;
      return { done: true };
    });
    await using _service = await serve(serviceBus, slow);
    const call = createClient({ bus }).call("outage", "slow", {}, { timeoutMs: 20_000 });
    await arrived;
    await Promise.all([toService.cut(), toClient.cut()]);
    await server.kill();
    await until(
      "both have noticed",
      () => bus.status === "reconnecting" && serviceBus.status === "reconnecting",
    );
    open();
    await server.restart();
    const [one, other] = first === "service"
      ? [{ way: toService, bus: serviceBus }, { way: toClient, bus }]
      : [{ way: toClient, bus }, { way: toService, bus: serviceBus }];
    await one.way.mend();
    await until(`the ${first} is back`, () => one.bus.status === "connected");
    await pause(700);
    strictEqual(other.bus.status, "reconnecting");
    await other.way.mend();
    strictEqual(
      JSON.stringify(await within(15_000, "the answer", call)),
      JSON.stringify({ done: true }),
    );
  });
}

test("an answer given after the caller's connection broke and came back reaches it", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using toClient = await wayTo(server);
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: toClient.url, logger });
  const { arrived, arrive, opened, open } = gate();
  const slow = rpc("slow", async () => {
    arrive();
    await opened;
    return "late";
  });
  await using _service = await serve(serviceBus, slow);
  const call = createClient({ bus }).call("outage", "slow", {}, { timeoutMs: 20_000 });
  await arrived;
  await toClient.cut();
  await until("it is noticed", () => bus.status === "reconnecting");
  await toClient.mend();
  await until("the client is back", () => bus.status === "connected");
  open();
  strictEqual(await within(10_000, "the answer", call), "late");
});

test("an answer given while its caller alone is away reaches it as soon as it is back", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using toClient = await wayTo(server);
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: toClient.url, logger });
  let runs = 0;
  let answered = 0;
  const { opened, open } = gate();
  const slow = rpc("slow", async (params) => {
    runs++;
    await opened;
    answered++;
    return params;
  });
  await using _service = await serve(serviceBus, slow);
  const client = createClient({ bus });
  const calls = Array.from(
    { length: 200 },
    (_, n) => client.call("outage", "slow", { n }, { timeoutMs: 20_000 }),
  );
  await until("they run", () => runs === 200);
  await toClient.cut();
  await until("it is noticed", () => bus.status === "reconnecting");
  open();
  await until("they are answered", () => answered === 200);
  await serviceBus.health();
  await toClient.mend();
  await until("the client is back", () => bus.status === "connected");
  const results = await within(2_000, "the answers", Promise.all(calls));
  strictEqual(JSON.stringify(results), JSON.stringify(calls.map((_, n) => ({ n }))));
  strictEqual(runs, 200);
});

test("a call that may run twice is sent again when its connection breaks", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using toClient = await wayTo(server);
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: toClient.url, logger });
  const { arrived, arrive } = gate();
  let runs = 0;
  const slow = rpc("slow", async () => {
    arrive();
    if (++runs === 1) await new Promise(() => {});
    return runs;
  });
  const service = await serve(serviceBus, slow);
  const options = { timeoutMs: 20_000, idempotent: true };
  const call = createClient({ bus }).call("outage", "slow", {}, options);
  await arrived;
  await toClient.cut();
  await toClient.mend();
  strictEqual(await within(15_000, "the second run", call), 2);
  await service.stop({ graceMs: 0 });
});
