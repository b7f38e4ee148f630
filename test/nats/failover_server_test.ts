// Elections over outages of servers: restarts, kills and a cluster that loses the leader of the bucket.

import { ok } from "node:assert/strict";
import { test } from "node:test";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";
import { LEADERS_BUCKET } from "../../src/domain/lease_record.ts";
import { streamLeader } from "./cluster_tools.ts";
import { withGroup } from "./failover_tools.ts";
import { pause, until } from "./outage_tools.ts";

for (const how of ["kill", "stop"] as const) {
  test(`a server that is ${how === "kill" ? "killed" : "stopped"} and comes back has one leader again`, async () => {
    await using server = await startNatsServer();
    await withGroup({ servers: [server.url] }, async (group) => {
      for (const who of ["a", "b", "c"]) await group.start(who);
      await until("somebody leads", () => group.leader() !== undefined);
      const load = group.load("write");
      for (const outageMs of [0, 1_500]) {
        await pause(300);
        const before = load.answers.length;
        if (how === "kill") await server.kill();
        await pause(outageMs);
        await server.restart();
        await until("calls are answered", () => load.answers.length > before + 5, 30_000);
      }
      await load.end();
    });
  });
}

test("a server that is frozen has no leader in the meantime, and one afterwards", async () => {
  await using server = await startNatsServer();
  await withGroup({ servers: [server.url] }, async (group) => {
    for (const who of ["a", "b", "c"]) await group.start(who);
    await until("somebody leads", () => group.leader() !== undefined);
    await server.suspend();
    await until("nobody leads", () => group.leader() === undefined);
    await pause(500);
    ok(group.leader() === undefined);
    server.resume();
    await until("somebody leads again", () => group.leader() !== undefined);
  });
});

test("a cluster that loses the leader of the bucket has one leader of the group, and goes on", async () => {
  await using cluster = await startNatsCluster();
  await withGroup({ servers: cluster.urls, replicas: 3 }, async (group) => {
    for (const [index, who] of ["a", "b", "c"].entries()) {
      await group.start(
        who,
        [...cluster.urls.slice(index), ...cluster.urls.slice(0, index)].join(),
      );
    }
    await until("somebody leads", () => group.leader() !== undefined, 30_000);
    const load = group.load("write");
    for (let round = 1; round <= 2; round++) {
      await pause(500);
      const before = load.answers.length;
      const server = await streamLeader(cluster, `KV_${LEADERS_BUCKET}`);
      await server.kill();
      await until("calls are answered", () => load.answers.length > before + 20, 60_000);
      await server.restart();
      await cluster.ready();
    }
    await load.end();
  });
});
