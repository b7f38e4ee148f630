// Bursts that break: every event is stored once all the same.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, event } from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, pause, wayTo } from "./outage_tools.ts";

const Step = event("burst.step");

test("a burst whose connection breaks again and again stores each event once", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await using bus = await connect({ servers: way.url, logger });
  const count = 20_000;
  async function* steps() {
    for (let n = 0; n < count; n++) {
      if (n > 2_000 && n % 5_000 === 0) {
        await way.cut();
        await pause(100);
        await way.mend();
      }
      yield Step({ n });
    }
  }
  const result = await createClient({ bus }).publishMany(steps());
  deepStrictEqual([result.stored, result.failed], [count, 0]);
  const { streams } = partsOf(bus, "a test").runtime.transport;
  strictEqual((await streams!.admin.stream("EVENTS"))?.messages, count);
});

test("a burst into a stream that fills up says of each whether it is stored", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({
    servers: server.url,
    logger,
    streams: { events: { maxMessages: 4_000 } },
  });
  let full = 0;
  const result = await createClient({ bus }).publishMany(
    Array.from({ length: 5_000 }, (_, n) => Step({ n })),
    { onOutcome: (outcome) => void (!outcome.ok && full++) },
  );
  deepStrictEqual(result, { stored: 4_000, duplicates: result.duplicates, failed: 1_000 });
  strictEqual(full, 1_000);
});

test("a burst that a signal ends leaves nothing behind", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const controller = new AbortController();
  function* steps() {
    for (let n = 0;; n++) {
      if (n === 6_000) controller.abort(new Error("enough"));
      yield Step({ n });
    }
  }
  const { signal } = controller;
  const error = await createClient({ bus }).publishMany(steps(), { signal })
    .then(() => undefined, (error) => error);
  strictEqual((error as Error).message, "enough");
  ok((await createClient({ bus }).publish(Step({ n: -1 }))).sequence > 2_000);
});
