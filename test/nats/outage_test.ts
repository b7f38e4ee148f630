// Calls in an outage: they wait for its end within their deadlines, and say what became of them.

import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type BusStatus,
  connect,
  createClient,
  rpc,
  TimeoutError,
  UnavailableError,
} from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import {
  gate,
  logger,
  outcome,
  pause,
  serve,
  SLACK_MS,
  until,
  wayTo,
  within,
} from "./outage_tools.ts";

test("under load every call succeeds or says why within its own deadline, and calls succeed again by themselves", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  await using _service = await serve(serviceBus);
  const client = createClient({ bus });
  let running = true;
  let calls = 0;
  const faults: string[] = [];
  const succeeded: number[] = [];
  const callers = [300, 1_000, 2_000, 4_000, 300, 1_000, 2_000, 4_000].map(
    async (timeoutMs, index) => {
      while (running) {
        const { error, ms } = await outcome(
          client.call("outage", "echo", { calls }, { timeoutMs }),
        );
        calls++;
        if (error === undefined) succeeded[index] = (succeeded[index] ?? 0) + 1;
        else if (!(error instanceof UnavailableError || error instanceof TimeoutError)) {
          faults.push(`${error}`);
        }
        if (ms > timeoutMs + SLACK_MS) faults.push(`${timeoutMs} ms took ${Math.round(ms)} ms`);
        if (error !== undefined) await pause(20);
      }
    },
  );
  const allSucceed = async (): Promise<void> => {
    succeeded.length = 0;
    await until("each caller succeeds", () => callers.every((_, index) => succeeded[index]! > 5));
  };
  try {
    for (const outageMs of [0, 1_200]) {
      await allSucceed();
      await server.kill();
      await pause(outageMs);
      await server.restart();
      await allSucceed();
    }
  } finally {
    running = false;
    await within(5_000, "every call ends", Promise.all(callers));
  }
  strictEqual(faults.join("\n"), "");
  ok(calls > 100, `${calls}`);
});

test("status, onStatus and health() tell the truth before, in and after an outage", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  await using service = await serve(bus);
  const seen: BusStatus[] = [];
  const unsubscribe = bus.onStatus((status) => {
    strictEqual(bus.status, status);
    seen.push(status);
  });
  const before = await service.health();
  strictEqual(before.ok, true);
  strictEqual(before.bus.status, "connected");
  ok(before.bus.roundTripMs !== undefined && before.bus.roundTripMs < 1_000);
  strictEqual(before.bus.reconnects, 0);

  await server.kill();
  await until("it is noticed", () => seen.length === 1);
  const away = await service.health();
  strictEqual(away.ok, false);
  strictEqual(away.status, "started");
  strictEqual(away.bus.ok, false);
  strictEqual(away.bus.status, "reconnecting");
  strictEqual(away.bus.roundTripMs, undefined);
  strictEqual(away.bus.server.version, server.version);

  await server.restart();
  await until("it is back", () => seen.length === 2);
  const after = await service.health();
  strictEqual(after.ok, true);
  strictEqual(after.bus.reconnects, 1);

  await bus.close();
  strictEqual(bus.status, "closed");
  strictEqual(seen.join(), "reconnecting,connected,closed");
  const closed = await bus.health();
  strictEqual(closed.ok, false);
  strictEqual(closed.status, "closed");
  unsubscribe();
});

test("a call made in an outage waits for its end if its deadline allows, else says at its deadline that it was not sent", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  await using _service = await serve(serviceBus);
  const client = createClient({ bus });
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const long = Array.from(
    { length: 20 },
    (_, n) => client.call("outage", "echo", { n }, { timeoutMs: 15_000 }),
  );
  const { error, ms } = await outcome(client.call("outage", "echo", {}, { timeoutMs: 300 }));
  ok(error instanceof UnavailableError, `${error}`);
  strictEqual(error.details.sent, false);
  ok(ms >= 290 && ms < 300 + SLACK_MS, `${ms}`);
  await server.restart();
  const results = await within(15_000, "they succeed", Promise.all(long));
  strictEqual(JSON.stringify(results), JSON.stringify(long.map((_, n) => ({ n }))));
});

test("a call that waited for the end of an outage is not told that nobody serves it while the service is still coming back", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using toService = await wayTo(server);
  await using serviceBus = await connect({ servers: toService.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  await using _service = await serve(serviceBus);
  const client = createClient({ bus });
  await client.call("outage", "echo");
  await toService.cut();
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const call = client.call("outage", "echo", { n: 1 }, { timeoutMs: 15_000 });
  await server.restart();
  await until("the client is back", () => bus.status === "connected");
  // Calls that are made now meet a server that knows nobody yet.
  const next = client.call("outage", "echo", { n: 2 }, { timeoutMs: 15_000 });
  const both = Promise.all([call, next]);
  both.catch(() => {}); // it is awaited below
  await pause(300);
  strictEqual(serviceBus.status, "reconnecting");
  await toService.mend();
  const results = await within(15_000, "they succeed", both);
  strictEqual(JSON.stringify(results), `[{"n":1},{"n":2}]`);
});

test("a server that stands still is noticed within a few pings, and calls go on when it does", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using serviceBus = await connect({ servers: server.url, logger });
  await using bus = await connect({ servers: server.url, logger });
  await using _service = await serve(serviceBus);
  const client = createClient({ bus });
  strictEqual(await client.call("outage", "echo", { n: 1 }).then(JSON.stringify), `{"n":1}`);
  await server.suspend();
  await until("health() tells", async () => !(await within(5_000, "health()", bus.health())).ok);
  // More than the sockets hold, so that what is written last never leaves the process.
  const text = "x".repeat(900_000);
  const lost = Array.from(
    { length: 20 },
    () => outcome(client.call("outage", "echo", { text }, { timeoutMs: 2_000 })),
  );
  for (const { error, ms } of await within(5_000, "the calls end", Promise.all(lost))) {
    ok(error instanceof TimeoutError, `${error}`);
    ok(ms < 2_000 + SLACK_MS, `${ms}`);
  }
  await until("it is noticed", () => bus.status === "reconnecting", 20_000);
  server.resume();
  // The first may still go to the service's old connection, which the server has not yet found to be gone.
  await until("calls succeed", async () => {
    const { error } = await outcome(client.call("outage", "echo", {}, { timeoutMs: 1_000 }));
    return error === undefined;
  });
  await until("the service is back", () => serviceBus.status === "connected");
});

test("a signal takes back a call that waits for the bus, and one that waits for its answer", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  const { arrived, arrive } = gate();
  const never = rpc("never", async () => {
    arrive();
    await new Promise(() => {});
  });
  const service = await serve(bus, never);
  const client = createClient({ bus });
  const sent = new AbortController();
  const waiting = client.call("outage", "never", {}, { signal: sent.signal, timeoutMs: 20_000 });
  await arrived;
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const parked = new AbortController();
  const call = client.call("outage", "echo", {}, { signal: parked.signal, timeoutMs: 20_000 });
  const reasons = [new Error("sent"), new Error("parked")];
  const ends = [
    rejects(waiting, (error) => error === reasons[0]),
    rejects(call, (error) => error === reasons[1]),
  ];
  await pause(20);
  sent.abort(reasons[0]);
  parked.abort(reasons[1]);
  await within(2_000, "both end", Promise.all(ends));
  await service.stop({ graceMs: 0 });
});

test("of calls that wait for the bus a bounded number is kept, further ones are refused at once", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  await using _service = await serve(bus);
  const client = createClient({ bus });
  await server.kill();
  await until("it is noticed", () => bus.status === "reconnecting");
  const calls = Array.from(
    { length: 10_050 },
    (_, n) => outcome(client.call("outage", "echo", { n }, { timeoutMs: 25_000 })),
  );
  const refused = await within(2_000, "the refusals", Promise.all(calls.slice(10_000)));
  for (const { error } of refused) {
    ok(error instanceof UnavailableError, `${error}`);
    strictEqual(error.details.sent, false);
  }
  await server.restart();
  const kept = await within(20_000, "the others", Promise.all(calls.slice(0, 10_000)));
  strictEqual(kept.filter(({ error }) => error !== undefined).length, 0);
});
