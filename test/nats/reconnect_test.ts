// Connections that break and are made again: soon, then less and less often, for ever.

import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { ConnectionOptions } from "@nats-io/nats-core";
import { connect } from "../../mod.ts";
import { connectNats } from "../../src/adapters/nats/connect.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { logger, pause, until } from "./outage_tools.ts";

/** What nats.js is given to connect with. */
async function optionsOf(): Promise<ConnectionOptions> {
  let given: ConnectionOptions | undefined;
  await rejects(connectNats(parseConnectOptions({ servers: "nats://127.0.0.1:1" }, {}), {
    dial: (options) => {
      given = options;
      return Promise.reject(new Error("not today"));
    },
  }));
  return given!;
}

/** After which waits nats.js makes its attempts at a server that refuses them at once, in milliseconds. */
async function attempts(delay: () => number, count: number): Promise<number[]> {
  const waits: number[] = [];
  // As nats.js does it: it asks before each look at the server, and an attempt follows once the wait since the last is over.
  for (let last = -Infinity; waits.length < count;) {
    const wait = delay();
    const now = performance.now();
    if (last + wait <= now) {
      last = now;
      waits.push(wait);
    } else await pause(Math.min(wait, last + wait - now));
  }
  return waits;
}

test("connections are made again for ever", async () => {
  strictEqual((await optionsOf()).maxReconnectAttempts, -1);
});

test("a server that is away is tried again soon, then less and less often, and by no two clients at the same times", async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, optionsOf));
  const all = await Promise.all(
    clients.map(({ reconnectDelayHandler }) => attempts(reconnectDelayHandler as () => number, 6)),
  );
  const waits = all.map(([, ...afterFirst]) => afterFirst);
  const bounds = [[125, 250], [250, 500], [500, 1_000], [1_000, 2_000], [1_000, 2_000]] as const;
  for (const [index, [least, most]] of bounds.entries()) {
    const sorted = waits.map((one) => one[index]!).sort((a, b) => a - b);
    // A wait that is hardly longer than the one before is taken for it once more, which happens to one in a hundred.
    const middle = sorted[sorted.length >> 1]!;
    ok(middle >= least && middle <= most, `wait ${index + 1}: ${sorted}`);
    // And one that a busy machine looks for too late may be taken for two.
    const longest = Math.min(2 * most, 2_000);
    ok(sorted[0]! >= 123 && sorted.at(-1)! <= longest, `wait ${index + 1}: ${sorted}`);
  }
  ok(new Set(waits.map(([first]) => Math.round(first! / 5))).size > 5, "jitter");
});

test("after an outage the waits begin anew", async () => {
  const { reconnectDelayHandler } = await optionsOf();
  const delay = reconnectDelayHandler as () => number;
  await attempts(delay, 4);
  await pause(4_100);
  const [, second] = await attempts(delay, 2);
  ok(second! >= 123 && second! <= 400, `${second} ms`);
});

test("a bus is connected again in well under a second when its server is", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  await server.kill();
  const killed = performance.now();
  await server.restart();
  const away = performance.now() - killed;
  await until("it is back", async () => bus.status === "connected" && (await bus.health()).ok);
  const took = performance.now() - killed;
  // The waits double, so that what is added to the time that the server was away is in proportion to it.
  ok(took < 500 + 3 * away, `${took} ms, of which the server was away for ${away}`);
});

test("a bus whose listener throws comes back after an outage all the same", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await using bus = await connect({ servers: server.url, logger });
  bus.onStatus(() => {
    throw new Error("on purpose");
  });
  for (let round = 0; round < 2; round++) {
    await server.kill();
    await until("it is noticed", () => bus.status === "reconnecting");
    await server.restart();
    await until("it is back", () => bus.status === "connected");
  }
});
