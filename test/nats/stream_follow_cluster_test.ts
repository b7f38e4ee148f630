// Followed streams in a cluster of three: leaders step down, servers are killed, and whoever follows on knows all.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AegisError, UnavailableError } from "../../mod.ts";
import type { Streams } from "../../src/ports/stream.ts";
import { startNatsCluster } from "../../tools/nats_server.ts";
import { follow, LAST_ONLY, LastingView } from "./follow_tools.ts";
import { outcome, pause, until } from "./outage_tools.ts";
import { makeStream, open, type Opened } from "./stream_tools.ts";

const KEYS = 20;
const LONG_MS = 10_000;

/** Stores messages on some subjects, over and over, until it is told to end; gives how many were stored. */
function putting({ store }: Streams): { end(): Promise<number> } {
  let open = true;
  let stored = 0;
  const work = (async () => {
    for (let i = 0; open; i++) {
      const { error } = await outcome(store.publish(`s.${i % KEYS}`, String(i), {}, 2_000));
      if (error === undefined) stored++;
      // A test that has failed closes the bus under it.
      else if (AegisError.is(error, "CLOSED")) break;
      else ok(UnavailableError.is(error) || AegisError.is(error, "TIMEOUT"), `${error}`);
      await pause(error === undefined ? 2 : 100);
    }
    return stored;
  })();
  return {
    end() {
      open = false;
      return work;
    },
  };
}

/** Which server leads the stream, or keeps the one consumer that it has. */
async function leader({ connection }: Opened, consumer?: string): Promise<string | undefined> {
  const subject = consumer === undefined ? "STREAM.INFO.S" : `CONSUMER.INFO.S.${consumer}`;
  const answer = await connection.request(`$JS.API.${subject}`, "", { timeout: LONG_MS })
    .catch(() => undefined);
  return answer?.json<{ cluster?: { leader?: string } }>().cluster?.leader;
}

/** Waits until those who follow know what the stream holds, and whether they agree. */
async function settled(streams: Streams, views: readonly LastingView[]): Promise<void> {
  for (const view of views) await view.complete(streams, KEYS, 60_000);
  await until("all is known", async () => {
    const there = follow(streams);
    const ended = await outcome(there.ready);
    there.follow.stop();
    return ended.error === undefined &&
      views.every(({ last }) =>
        [...there.last].every(([subject, sequence]) => last.get(subject) === sequence)
      );
  }, 60_000);
}

test("leaders that step down are followed, and nothing is missed", async () => {
  await using cluster = await startNatsCluster();
  await using one = await open(cluster.urls[0]!);
  await using two = await open(cluster.urls[1]!);
  await using three = await open(cluster.urls[2]!);
  await makeStream(one.streams, { ...LAST_ONLY, replicas: 3 });
  const views = [one, two, three].map(({ streams }) => new LastingView(streams));
  for (let round = 0; round < 3; round++) {
    const { end } = putting(one.streams);
    await pause(200);
    const before = await leader(two);
    await two.connection.request("$JS.API.STREAM.LEADER.STEPDOWN.S", "", { timeout: LONG_MS });
    await until("there is another leader", async () => {
      const now = await leader(two);
      return now !== undefined && now !== "" && now !== before;
    }, 30_000);
    await pause(200);
    ok(await end() > 0);
    await settled(two.streams, views);
  }
  deepStrictEqual(views.map(({ backwards }) => backwards), [0, 0, 0]);
  for (const view of views) view.stop();
});

test("a server that is killed loses what is followed through it, and whoever follows on misses nothing", async () => {
  await using cluster = await startNatsCluster();
  await using one = await open(cluster.urls[0]!);
  await using other = await open(cluster.urls);
  await makeStream(one.streams, { ...LAST_ONLY, replicas: 3 });
  const view = new LastingView(one.streams);
  for (let round = 0; round < 2; round++) {
    const { end } = putting(other.streams);
    let names: readonly string[] = [];
    // Of one that was lost the server may keep the consumer for a while.
    await until("it is followed, and by one consumer", async () => {
      names = await one.streams.admin.consumers("S").catch(() => []);
      return names.length === 1 && view.last.size === KEYS;
    }, 40_000);
    const lost = view.lost;
    const keeper = await leader(one, names[0]);
    const server = cluster.servers.find((server) => server.name === keeper)!;
    await server.kill();
    await until("it is lost", () => view.lost > lost, 20_000);
    await pause(500);
    await server.restart();
    await cluster.ready();
    ok(await end() > 0);
    await settled(other.streams, [view]);
  }
  strictEqual(view.backwards, 0);
  view.stop();
});
