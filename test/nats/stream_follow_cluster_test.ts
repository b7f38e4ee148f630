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

interface Led {
  readonly cluster?: { readonly leader?: string };
  readonly delivered?: { readonly stream_seq: number };
}

/** What the bus says of the stream or a consumer of it. */
async function info({ connection }: Opened, subject: string): Promise<Led | undefined> {
  const answer = await connection.request(`$JS.API.${subject}`, "", { timeout: LONG_MS })
    .catch(() => undefined);
  return answer?.json<Led>();
}

/** Which server leads the stream. */
async function leader(opened: Opened): Promise<string | undefined> {
  return (await info(opened, "STREAM.INFO.S"))?.cluster?.leader;
}

/**
 * Which server delivers what is stored now. The server may keep other consumers for a while, of those who were lost or have
 * stopped.
 */
async function keeper(opened: Opened): Promise<string | undefined> {
  const look = async () => {
    const names = await opened.streams.admin.consumers("S").catch(() => []);
    const infos = await Promise.all(names.map((name) => info(opened, `CONSUMER.INFO.S.${name}`)));
    return new Map(names.map((name, index) => [name, infos[index]]));
  };
  const before = await look();
  await pause(300);
  const going = [...await look()].filter(([name, now]) => {
    const then = before.get(name)?.delivered?.stream_seq;
    return then !== undefined && (now?.delivered?.stream_seq ?? 0) > then;
  });
  return going.length === 1 ? going[0]![1]!.cluster?.leader : undefined;
}

/** Waits until those who follow know what the stream holds, and whether they agree. */
async function settled(streams: Streams, views: readonly LastingView[]): Promise<void> {
  for (const view of views) await view.complete(streams, undefined, 60_000);
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
    let lost = 0;
    let name: string | undefined;
    await until("it is followed, and stays so", async () => {
      lost = view.lost;
      name = view.last.size === KEYS ? await keeper(one) : undefined;
      return name !== undefined && view.lost === lost;
    }, 40_000);
    const server = cluster.servers.find((server) => server.name === name)!;
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
