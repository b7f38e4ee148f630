// Commands for later: with the server's schedules and without, nothing is lost when they are due, and none is older than that.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { command, type CommandHandle, createClient, QueueFullError } from "../../mod.ts";
import { LATER_STREAM } from "../../src/domain/command_subject.ts";
import { gate } from "../nats/outage_tools.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

const nameOf = (payload: unknown) => (payload as { name: string }).name;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

bothStreams(
  "what is due while its queue is full waits until there is room, and then runs once",
  async (buses) => {
    const bus = await buses.open({ streams: { commands: { maxMessages: 3 } } });
    const { open, opened } = gate();
    const ran: string[] = [];
    await buses.serve("svc", [
      command("work", { concurrency: 1 }, async ({ payload }) => {
        await opened;
        ran.push(nameOf(payload));
      }),
    ], { bus });
    const { send } = createClient({ bus: buses.client });
    const later: CommandHandle[] = [];
    for (const name of ["later 1", "later 2"]) {
      later.push(await send("svc", "work", { name }, { delayMs: 300 }));
    }
    const due = Date.now() + 300;
    const now: CommandHandle[] = [];
    let refused: unknown;
    while (refused === undefined) {
      const sent = await send("svc", "work", { name: `now ${now.length + 1}` }).catch((error) => {
        refused = error;
      });
      if (sent !== undefined) now.push(sent);
    }
    ok(QueueFullError.is(refused), `${refused}`);
    const { admin } = await buses.streams();
    const moves = await admin.stream(LATER_STREAM) !== undefined;
    // Where the server has no schedules they lie in the queue from the first.
    strictEqual(now.length, moves ? 3 : 1);
    const refusals = () => buses.logs.filter(({ message }) => /could not be moved/.test(message));
    await until(() => moves ? refusals().length >= 2 : Date.now() > due + 200);
    for (const job of later) strictEqual((await job.status()).state, "pending");
    ok(QueueFullError.is(await errorOf(send("svc", "work", { name: "no" }))));
    open();
    for (const job of [...now, ...later]) await job.result({ timeoutMs: 5_000 });
    const names = [...now.map((_, n) => `now ${n + 1}`), "later 1", "later 2"];
    deepStrictEqual(ran.toSorted(), names.toSorted());
    for (const stream of ["COMMANDS_svc", LATER_STREAM]) {
      await until(async () => ((await admin.stream(stream))?.messages ?? 0) === 0);
    }
  },
);

bothStreams("what was sent for later is as old as it is due, and goes by that", async (buses) => {
  let over = false, served = 0;
  const ageingMs = 150;
  const delayMs = 1_200;
  await buses.serve("svc", [
    command("work", { concurrency: 1 }, async () => {
      served++;
      await pause(2);
      return Date.now();
    }),
  ], { ageingMs });
  const { send } = createClient({ bus: buses.client });
  const low = await send("svc", "work", {}, { priority: "low", delayMs });
  const due = Date.now() + delayMs;
  let sent = 0;
  // There are always some that wait and are critical.
  const flood = (async () => {
    while (!over) {
      if (sent - served < 20) {
        sent++;
        await send("svc", "work", {}, { priority: "critical" });
      } else await pause(1);
    }
  })();
  const begun = await low.result({ timeoutMs: 8_000 }) as number;
  over = true;
  await flood;
  // Three levels, by which it would have been before the others when it was due, had it aged since it was sent.
  const waited = begun - due;
  ok(waited >= 2 * ageingMs && waited < 3_000, `${waited}`);
});
