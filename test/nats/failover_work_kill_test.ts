// Exclusive work that a leader dies over, or stands still with: the next leader does it, and it is done once.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { LEDGER, type Ledger } from "./failover_notes.ts";
import { type Candidate, withGroup } from "./failover_tools.ts";
import { pause, until } from "./outage_tools.ts";

for (const [how, signal] of [["killed", "SIGKILL"], ["frozen", "SIGSTOP"]] as const) {
  test(`a command and an event in the hands of a leader that is ${how} are done once, by the next one`, async () => {
    await using server = await startNatsServer();
    await withGroup({ servers: [server.url], leaders: 2 }, async ({ bus, client, ...group }) => {
      const candidates = new Map<string, Candidate>();
      for (const who of ["a", "b", "c"]) candidates.set(who, await group.start(who));
      const { who, token } = await group.leading();
      const kv = await bus.kv<Ledger>(LEDGER);
      const job = await client.send("ledger", "job");
      const { id } = await client.publish("ledger.work", {});
      await until("both have begun", async () => {
        const begun = await kv.getMany([`begun.${job.id}`, `begun.${id}`]);
        return begun.size === 2;
      });
      candidates.get(who)!.signal(signal);
      const next = await group.follows(who);
      ok(next.token > token);
      // The record refuses a lower token: of two that were at it at the same time one would have failed.
      deepStrictEqual(await job.result(), [next.who, next.token]);
      await until("the event is done", async () => await kv.get(`ended.${id}`) !== undefined);
      if (signal === "SIGSTOP") {
        candidates.get(who)!.signal("SIGCONT");
        const hasNoticed = () =>
          group.notes().some((note) => note.what === "yields" && note.token === token);
        await until("it has noticed", hasNoticed);
        // What it goes on with comes to nothing.
        await pause(1_000);
      }
      const { state, attempts } = await job.status();
      deepStrictEqual([state, attempts], ["completed", 2]);
      for (const each of [job.id, id]) {
        const ended = await kv.get(`ended.${each}`);
        strictEqual(ended?.value.token, next.token, `it was ended by ${ended?.value.who}`);
      }
      deepStrictEqual(await client.listDeadLetters(), []);
    });
  });
}
