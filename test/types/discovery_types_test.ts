// Types of discovery: what does not fit does not compile. `deno check` is the test; running it shows that it is valid code.

import { strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type Call,
  type CircuitOptions,
  type Client,
  createClient,
  type Discovery,
  type DiscoveryOptions,
  type InstanceChange,
  type InstanceWatch,
  type SelectStrategy,
  type ServiceInstance,
} from "../../mod.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const same = <A, B>(..._: Same<A, B> extends true ? [] : [never]): void => {};

/** Compiled, and never run. */
export async function lookups(discovery: Discovery): Promise<void> {
  const found = await discovery.discover("shop", { onlyHealthy: true, version: "^1.2" });
  same<typeof found, ServiceInstance[]>();
  const one = await discovery.select("shop", { strategy: "sticky", key: "user:1" });
  same<typeof one, ServiceInstance>();
  const watch = discovery.watch("shop");
  same<typeof watch, InstanceWatch>();
  for await (const change of watch) {
    same<typeof change, InstanceChange>();
    same<typeof change.type, "joined" | "left" | "changed">();
  }
  // @ts-expect-error: there is no such strategy
  await discovery.select("shop", { strategy: "best" });
  // @ts-expect-error: the key is text
  await discovery.select("shop", { strategy: "sticky", key: 7 });
  // @ts-expect-error: there is no such option
  await discovery.discover("shop", { healthy: true });
  // @ts-expect-error: what was found is to be read
  found[0]!.version = "2";
}

/** Likewise. */
export async function calls(client: Client, call: Call, select: SelectStrategy): Promise<void> {
  await client.call("shop", "who", {}, { select, key: "user:1", circuit: false });
  await call("shop", "who", {}, { instance: "a" });
  // @ts-expect-error: there is no such strategy
  await client.call("shop", "who", {}, { select: "best" });
}

/** Likewise. */
export function made(bus: DiscoveryOptions["bus"]): void {
  const circuit: CircuitOptions = { failures: 3, slowMs: 100 };
  createClient({ bus, circuit });
  createClient({ bus, circuit: true });
  // @ts-expect-error: there is no such option
  createClient({ bus, circuit: { failure: 3 } });
}

test("what is compiled here is valid code", () => strictEqual([lookups, calls, made].length, 3));
