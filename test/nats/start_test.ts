import { strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  connect,
  createClient,
  createLogger,
  createService,
  type RetryPolicy,
  rpc,
} from "../../mod.ts";
import { startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";

const logger = createLogger({ level: "silent" });
const SERVICES = 1_000;

/** Starts services `at` a server, each called `from` another as soon as its start() has resolved; gives what failed. */
async function startAndCall(
  { at, from, count, together, retry = false }: {
    readonly at: string;
    readonly from: string;
    readonly count: number;
    readonly together: boolean;
    readonly retry?: RetryPolicy | false;
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
      strictEqual(await client.call(name, "index", {}, { retry }), index);
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

test("services on one server of a cluster are found from another with a few retries", async () => {
  await using cluster = await startNatsCluster(3, { jetstream: false });
  const [at = "", from = ""] = cluster.urls;
  // The servers tell one another of a new subscription a moment after its own server has confirmed it: without retries
  // one call in ten or so comes too early.
  const retry = { attempts: 20, initialDelayMs: 5, maxDelayMs: 100 };
  const failures = await startAndCall({ at, from, count: SERVICES, together: false, retry });
  strictEqual(failures.length, 0, failures[0]);
});
