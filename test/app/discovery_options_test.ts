// What discovery is given: what cannot be is refused, with what was meant.

import { match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import {
  createDiscovery,
  type DiscoverOptions,
  type DiscoveryOptions,
  type SelectOptions,
  type WatchOptions,
} from "../../mod.ts";
import { on } from "./buses.ts";

type Bad = readonly (readonly [unknown, RegExp, (typeof TypeError | typeof RangeError)?])[];

const LOOKUP: Bad = [
  [null, /Cannot use null as the options/],
  [{ onlyHealty: true }, /did you mean "onlyHealthy"/],
  [{ onlyHealthy: 1 }, /Cannot use 1 as option "onlyHealthy".*must be a boolean/],
  [{ version: 1 }, /Cannot use 1 as option "version"/],
  [{ version: "newest" }, /Cannot use "newest" as a range of versions: it must be one such as/],
  [{ version: "^1.x.2" }, /Cannot use "\^1\.x\.2" as a range of versions/],
  [{ timeoutMs: "1" }, /option "timeoutMs"/],
  [{ timeoutMs: 0 }, /option "timeoutMs"/, RangeError],
  [{ signal: {} }, /option "signal".*must be an AbortSignal/],
];
const SELECT: Bad = [
  ...LOOKUP,
  [{ strategy: "roundrobin" }, /option "strategy".*did you mean "round_robin"/],
  [{ strategy: 1 }, /Cannot use 1 as option "strategy"/],
  [{ strategy: "sticky" }, /Cannot use undefined as option "key" of select\(\)/],
  [{ strategy: "sticky", key: 1 }, /Cannot use 1 as option "key"/],
  [{ key: "a" }, /option "key" of select\(\) alone: it goes with strategy: "sticky"/],
];
const SERVICES: readonly unknown[] = ["", "a.b", "1a", "progress", 7, undefined, "x".repeat(129)];

on("memory", "lookups are refused what they cannot use", async ({ client: bus }) => {
  await using discovery = createDiscovery({ bus });
  const check = async (lookup: (options: never) => Promise<unknown>, bad: Bad): Promise<void> => {
    for (const [options, message, type = TypeError] of bad) {
      await rejects(lookup(options as never), (error) => {
        ok(error instanceof type, `${JSON.stringify(options)}: ${error}`);
        match(error.message, message);
        return true;
      });
    }
  };
  await check((options: DiscoverOptions) => discovery.discover("shop", options), LOOKUP);
  await check((options: SelectOptions) => discovery.select("shop", options), SELECT);
  for (const service of SERVICES) {
    await rejects(discovery.discover(service as string), /name of a service/);
    await rejects(discovery.select(service as string), /name of a service/);
    throws(() => discovery.watch(service as string), /name of a service/);
    throws(() => discovery.invalidate(service as string), /name of a service/);
  }
  for (const options of [{ signl: 1 }, { signal: 1 }, 7]) {
    throws(() => discovery.watch("shop", options as WatchOptions), TypeError);
  }
});

on("memory", "a key goes with any strategy that is named", async ({ client: bus, serve }) => {
  await serve("shop", []);
  await using discovery = createDiscovery({ bus });
  for (const strategy of ["round_robin", "random", "sticky", "least_loaded"] as const) {
    const { service } = await discovery.select("shop", { strategy, key: "user:1" });
    strictEqual(service, "shop");
  }
});

on("memory", "a discovery is refused what it cannot be made of", async ({ client: bus }) => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /Cannot create a discovery of undefined/],
    [bus, /write createDiscovery\(\{ bus \}\)/],
    [{ bus, buss: 1 }, /did you mean "bus"/],
    [{}, /Cannot use undefined as the "bus" of a discovery/],
    [{ bus: Promise.resolve(bus) }, /write await connect\(\)/],
  ];
  for (const [options, message] of bad) {
    throws(() => createDiscovery(options as DiscoveryOptions), (error) => {
      ok(error instanceof TypeError);
      match(error.message, message);
      return true;
    });
  }
  const discovery = createDiscovery({ bus });
  await discovery.close();
  await discovery.close();
  throws(() => discovery.watch("shop"), { code: "CLOSED" });
});

on("memory", "a watch whose signal has aborted already ends at once", async ({ client: bus }) => {
  await using discovery = createDiscovery({ bus });
  const watch = discovery.watch("shop", { signal: AbortSignal.abort() });
  strictEqual((await watch.next()).done, true);
});

on("memory", "a lookup whose signal has aborted already gives nothing", async (buses) => {
  await buses.serve("shop", []);
  await using discovery = createDiscovery({ bus: buses.client });
  strictEqual((await discovery.discover("shop")).length, 1);
  const signal = AbortSignal.abort(new Error("not needed"));
  await rejects(discovery.discover("shop", { signal }), /not needed/);
  await rejects(discovery.select("shop", { signal }), /not needed/);
});
