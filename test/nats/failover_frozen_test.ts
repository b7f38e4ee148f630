// A leader that is frozen and stays so: the server goes on giving it calls, and no client of its successor loses one to it.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect as dial } from "@nats-io/transport-node";
import { connect, createClient } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { type Candidate, withGroup } from "./failover_tools.ts";
import { logger, pause, until } from "./outage_tools.ts";

const FROZEN_MS = 5_000;

test("no call that begins after the takeover goes to a leader that is frozen, of new clients neither", async () => {
  await using server = await startNatsServer();
  await withGroup({ servers: [server.url], leaders: 2 }, async (group) => {
    const candidates = new Map<string, Candidate>();
    for (const who of ["a", "b", "c"]) candidates.set(who, await group.start(who));
    await until("somebody leads", () => group.leader() !== undefined);
    const { who: frozen, token } = group.leader()!;
    // Two clients that know it and go on calling it, and one that knows it and has been quiet since.
    const quiet = await connect({ servers: server.url, logger });
    strictEqual((await createClient({ bus: quiet }).call<string[]>("ledger", "who"))[0], frozen);
    const calls: { readonly at: number; readonly made: Promise<string> }[] = [];
    const call = (client: typeof group.client, idempotent = false): void => {
      const answer = client.call<[string]>("ledger", "who", {}, { idempotent, timeoutMs: 3_000 });
      calls.push({ at: performance.now(), made: answer.then(([who]) => who, String) });
    };
    const calling = setInterval(() => {
      call(group.client);
      call(group.client, true);
    }, 10);
    try {
      await pause(200);
      candidates.get(frozen)!.signal("SIGSTOP");
      const next = await group.follows(frozen);
      ok(next.token > token);
      const takenAt = performance.now();
      const fresh: Promise<void>[] = [];
      await until("its successor has answered", async () => await calls.at(-1)!.made === next.who);
      // What the successor has said before that has come with this.
      await quiet.health();
      call(createClient({ bus: quiet }));
      while (performance.now() - takenAt < FROZEN_MS) {
        fresh.push((async () => {
          const bus = await connect({ servers: server.url, logger });
          const client = createClient({ bus });
          for (let i = 0; i < 3; i++) call(client, i === 2);
          await Promise.all(calls.slice(-3).map(({ made }) => made));
          await bus.close();
        })());
        await pause(100);
      }
      clearInterval(calling);
      await Promise.all(fresh);
      const since = calls.filter(({ at }) => at >= takenAt);
      const lost = (await Promise.all(since.map(({ made }) => made))).filter((who) =>
        who !== next.who
      );
      deepStrictEqual(lost, []);
      ok(since.length > 100, `${since.length} calls`);
      // All that while it has been in the queue group: half of what any client asks there goes nowhere.
      await using raw = Object.assign(await dial({ servers: server.url }), {
        [Symbol.asyncDispose]: () => raw.close(),
      });
      const body = JSON.stringify({ method: "who", params: {}, timeout: 1 });
      const asked = await Promise.allSettled(
        Array.from({ length: 40 }, () => raw.request("rpc.ledger.who", body, { timeout: 500 })),
      );
      ok(asked.some(({ status }) => status === "rejected"));
      const before = calls.filter(({ at }) => at < takenAt);
      const gone = (await Promise.all(before.map(({ made }) => made))).filter((who) =>
        !["a", "b", "c"].includes(who)
      );
      console.log(`${gone.length} of ${before.length} calls before, 0 of ${since.length} since`);
    } finally {
      clearInterval(calling);
      candidates.get(frozen)!.signal("SIGCONT");
      await Promise.all(calls.map(({ made }) => made));
      await quiet.close();
    }
  });
});
