import { ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
  TimeoutError,
  UnavailableError,
} from "../../mod.ts";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";

const logger = createLogger({ level: "silent" });
const SERVICES = 1_000;
/** A thousand at once may take their time; that nobody serves a method is said at once, and not tried again. */
const CALL = { retry: false, timeoutMs: 60_000 } as const;

/** Starts services `at` a server, each called `from` another as soon as its start() has resolved; gives what failed. */
async function startAndCall(
  { at, from, count, together }: {
    readonly at: string;
    readonly from: string;
    readonly count: number;
    readonly together: boolean;
  },
): Promise<string[]> {
  await using bus = await connect({ servers: at, logger });
  await using other = await connect({ servers: from, logger });
  const client = createClient({ bus: other });
  const failures: string[] = [];
  const one = async (index: number): Promise<() => Promise<void>> => {
    const name = `started-${index}`;
    const service = createService(name, { bus, handlers: [rpc("index", () => index)] });
    await service.start();
    try {
      strictEqual(await client.call(name, "index", {}, CALL), index);
    } catch (error) {
      failures.push(`${error}`);
    }
    return () => service.stop();
  };
  const stops: (() => Promise<void>)[] = [];
  if (together) {
    stops.push(...await Promise.all(Array.from({ length: count }, (_, index) => one(index))));
  } else {
    for (let index = 0; index < count; index++) stops.push(await one(index));
  }
  await Promise.all(stops.map((stop) => stop()));
  return failures;
}

test("a thousand services started at once are called at once, and none finds nobody", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const failures = await startAndCall({
    at: server.url,
    from: server.url,
    count: SERVICES,
    together: true,
  });
  strictEqual(failures.length, 0, failures[0]);
});

test("a thousand services started one after the other are called at once, and none finds nobody", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const failures = await startAndCall({
    at: server.url,
    from: server.url,
    count: SERVICES,
    together: false,
  });
  strictEqual(failures.length, 0, failures[0]);
});

test("services on one server of a cluster are called from another at once, without a retry policy, and none finds nobody", async () => {
  await using cluster = await startNatsCluster(3, { jetstream: false });
  const [one = "", two = "", three = ""] = cluster.urls;
  for (const [at, from] of [[one, two], [two, three], [three, one], [one, two]] as const) {
    for (const together of [false, true]) {
      const failures = await startAndCall({ at, from, count: 200, together });
      strictEqual(failures.length, 0, `${failures.length} failed: ${failures[0]}`);
    }
  }
});

test("in a cluster a call finds nobody after a moment, or at its deadline, and on a single server at once", async () => {
  await using cluster = await startNatsCluster(3, { jetstream: false });
  await using single = await startNatsServer({ jetstream: false });
  // The shortest of some: a busy machine takes its time now and then.
  const find = async (servers: string, timeoutMs: number): Promise<number> => {
    await using bus = await connect({ servers, logger });
    const { call } = createClient({ bus });
    await call("nobody", "there").catch(() => undefined); // the first call subscribes for answers
    let least = Infinity;
    for (let tries = 0; tries < 5; tries++) {
      const start = performance.now();
      await rejects(call("nobody", "there", {}, { timeoutMs, retry: false }), (error) => {
        // It says so when its time was over before it could be sent at all.
        return UnavailableError.is(error) || (timeoutMs < 100 && TimeoutError.is(error));
      });
      least = Math.min(least, performance.now() - start);
    }
    return least;
  };
  const inCluster = await find(cluster.urls[0]!, 5_000);
  ok(inCluster > 100 && inCluster < 2_000, `${inCluster} ms`);
  const hurried = await find(cluster.urls[0]!, 50);
  ok(hurried < 100, `${hurried} ms`);
  const alone = await find(single.url, 5_000);
  ok(alone < 50, `${alone} ms`);
});
