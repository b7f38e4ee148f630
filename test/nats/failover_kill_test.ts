// Leaders that are killed, frozen, cut off or stopped: the next one takes over in time, and never beside them.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { startNatsServer } from "../../tools/nats_server.ts";
import { leadersOf } from "./failover_notes.ts";
import { type Candidate, type Group, withGroup } from "./failover_tools.ts";
import { pause, until, wayTo } from "./outage_tools.ts";

/** Three processes, of which one leads. */
async function three(group: Group): Promise<Map<string, Candidate>> {
  const candidates = new Map<string, Candidate>();
  for (const who of ["a", "b", "c"]) candidates.set(who, await group.start(who));
  await until("somebody leads", () => group.leader() !== undefined);
  return candidates;
}

test("a leader that is killed is followed within a second, time and again, and the record goes forward", async () => {
  await using server = await startNatsServer();
  await withGroup({ servers: [server.url] }, async (group) => {
    const candidates = await three(group);
    const load = group.load("write");
    for (let round = 1; round <= 3; round++) {
      await pause(300);
      const { who } = await group.leading();
      candidates.get(who)!.signal("SIGKILL");
      await candidates.get(who)!.ended;
      await group.follows(who);
      candidates.set(who, await group.start(who));
    }
    await load.end();
    ok(load.longestGapMs() < 1_000, `${load.longestGapMs()} ms without an answer`);
    strictEqual(leadersOf(group.notes()).length, 4);
    // What was in the hands of those that were killed is all that was lost.
    const lost = [...load.failures].map(([code]) => code);
    ok(lost.every((code) => code === "TIMEOUT"), lost.join());
    const tokens = load.answers.map(({ token }) => token);
    deepStrictEqual(tokens, tokens.toSorted((x, y) => x - y));
  });
});

test("a balanced leader that is killed is followed within three seconds", async () => {
  await using server = await startNatsServer();
  await withGroup({ servers: [server.url], policy: "balanced" }, async (group) => {
    const candidates = await three(group);
    const load = group.load();
    await pause(300);
    const { who } = await group.leading();
    candidates.get(who)!.signal("SIGKILL");
    await group.follows(who);
    await load.end();
    ok(load.longestGapMs() < 3_000, `${load.longestGapMs()} ms without an answer`);
  });
});

test("a leader that is stopped in order hands over at once, and no call fails", async () => {
  await using server = await startNatsServer();
  await withGroup({ servers: [server.url] }, async (group) => {
    const candidates = await three(group);
    const load = group.load();
    for (let round = 1; round <= 2; round++) {
      await pause(300);
      const { who } = await group.leading();
      candidates.get(who)!.signal("SIGTERM");
      await group.follows(who);
      await candidates.get(who)!.ended;
    }
    await load.end();
    deepStrictEqual([...load.failures], []);
    // It is some 15 ms; the lease of one that does not hand over is 600.
    ok(load.longestGapMs() < 300, `${load.longestGapMs()} ms without an answer`);
  });
});

test("a leader that is frozen is followed, and does not lead when it goes on", async () => {
  await using server = await startNatsServer();
  await withGroup({ servers: [server.url] }, async (group) => {
    const candidates = await three(group);
    const load = group.load("write");
    for (let round = 1; round <= 3; round++) {
      await pause(200);
      const { who, token } = await group.leading();
      candidates.get(who)!.signal("SIGSTOP");
      const next = await group.follows(who);
      ok(next.token > token);
      candidates.get(who)!.signal("SIGCONT");
      await until(
        "it has noticed",
        () =>
          group.notes().some((note) =>
            note.what === "yields" && note.who === who && note.token === token
          ),
      );
    }
    await load.end();
    strictEqual(leadersOf(group.notes()).length, 4);
  });
});

test("a leader that is cut off steps down by itself before the next one begins", async () => {
  await using server = await startNatsServer();
  await using way = await wayTo(server);
  await withGroup({ servers: [server.url] }, async (group) => {
    await group.start("a", way.url);
    await group.start("b");
    await group.start("c");
    await until("a leads", () => group.leader()?.who === "a");
    const load = group.load("write");
    await pause(200);
    await way.cut();
    await group.follows("a");
    const notes = group.notes();
    const lastOfA = notes.findLast(({ what, who }) => what === "acts" && who === "a")!;
    const first = notes.find(({ what, who }) => what === "acts" && who !== "a")!;
    // A tenth of the lease on either side of its end lies between them.
    ok(first.at - lastOfA.at >= 60, `${first.at - lastOfA.at} ms`);
    await way.mend();
    await pause(1_000);
    await load.end();
    ok(group.leader()!.who !== "a");
  });
});
