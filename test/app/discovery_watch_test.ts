// Watches over the instances of a service: nothing is missed, nothing comes twice, and they end.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AegisError } from "../../mod.ts";
import { type InstanceChange, InstanceWatcher } from "../../src/app/discovery_watch.ts";
import { instanceKey } from "../../src/domain/instance.ts";
import { errorOf } from "./buses.ts";
import { settle, Stage } from "./discovery_tools.ts";

function watcher(stage: Stage, onEnd = (): void => {}): InstanceWatcher {
  return new InstanceWatcher(stage.directory, "shop", onEnd);
}

/** So many changes, in words. */
async function take(watch: InstanceWatcher, count: number): Promise<string[]> {
  const changes: string[] = [];
  while (changes.length < count) {
    const { value, done } = await watch.next();
    if (done) break;
    changes.push(`${value.type} ${value.instance.instanceId} ${value.instance.version}`);
  }
  return changes;
}

test("a watch tells who is there, then what changes", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.registry.beat("two");
  stage.directory.feed.use();
  const watch = watcher(stage);
  deepStrictEqual(await take(watch, 2), ["joined one 1.0.0", "joined two 1.0.0"]);
  const next = take(watch, 3);
  await settle();
  stage.registry.beat("other", { service: "bank" });
  stage.registry.beat("three");
  await settle();
  stage.registry.beat("one", { version: "1.1.0" });
  await settle();
  stage.registry.drop("two");
  deepStrictEqual(await next, ["joined three 1.0.0", "changed one 1.1.0", "left two 1.0.0"]);
});

test("a heartbeat that says nothing but load and time is no change", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.directory.feed.use();
  const watch = watcher(stage);
  await take(watch, 1);
  stage.registry.beat("one", { load: { inFlight: 9, eventLoopDelayMs: 1 } });
  stage.registry.beat("one");
  stage.registry.beat("one", { status: "UNHEALTHY" });
  deepStrictEqual((await watch.next()).value.instance.status, "UNHEALTHY");
});

test("one that began anew under its name is another than it was", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.directory.feed.use();
  const watch = watcher(stage);
  await take(watch, 1);
  stage.registry.beat("one", { startTime: "2026-02-01T00:00:00.000Z" });
  const { value } = await watch.next();
  deepStrictEqual([value.type, value.instance.startedAt], ["changed", Date.UTC(2026, 1, 1)]);
});

test("of what changes faster than it is asked for, the last state is told, once", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.registry.beat("two");
  stage.directory.feed.use();
  const watch = watcher(stage);
  await take(watch, 2);
  for (let i = 1; i <= 1_000; i++) stage.registry.beat("one", { version: `1.0.${i}` });
  for (let i = 0; i < 10; i++) {
    stage.registry.beat("three");
    stage.registry.drop("three");
  }
  stage.registry.drop("two");
  stage.registry.beat("four");
  await settle();
  deepStrictEqual(await take(watch, 3), [
    "changed one 1.0.1000",
    "left two 1.0.0",
    "joined four 1.0.0",
  ]);
});

test("one that nobody was found at has left, and joins with its next heartbeat", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.directory.feed.use();
  const watch = watcher(stage);
  await take(watch, 1);
  stage.directory.missed("shop", "one");
  deepStrictEqual(await take(watch, 1), ["left one 1.0.0"]);
  stage.registry.beat("one");
  deepStrictEqual(await take(watch, 1), ["joined one 1.0.0"]);
});

test("a watch ends by a break, by return() and by end(), whoever waits for it", async () => {
  const stage = new Stage();
  stage.registry.beat("one");
  stage.directory.feed.use();
  let ended = 0;
  const one = watcher(stage, () => ended++);
  for await (const change of one) {
    strictEqual(change.instance.instanceId, "one");
    break;
  }
  strictEqual(ended, 1);
  deepStrictEqual(await one.next(), { done: true, value: undefined });
  const two = watcher(stage, () => ended++);
  await take(two, 1);
  const waiting = [two.next(), two.next()];
  await settle();
  await two.return();
  deepStrictEqual((await Promise.all(waiting)).map(({ done }) => done), [true, true]);
  const early = watcher(stage, () => ended++);
  early.end();
  early.end();
  strictEqual((await early.next()).done, true);
  strictEqual(ended, 3);
  {
    await using disposed = watcher(stage, () => ended++);
    await take(disposed, 1);
  }
  strictEqual(ended, 4);
  strictEqual(stage.directory.view.of("shop")!.listeners.size, 0);
});

test("a watch that begins before the registry was read waits for it", async () => {
  const stage = new Stage();
  stage.registry.tells = false;
  stage.directory.feed.use();
  const watch = watcher(stage);
  const first = take(watch, 1);
  await settle();
  stage.registry.beat("one");
  (stage.registry.watches[0] as unknown as { tell(what: "initial"): void }).tell("initial");
  deepStrictEqual(await first, ["joined one 1.0.0"]);
});

test("a watch throws what keeps the registry from being watched, and ends", async () => {
  const stage = new Stage();
  stage.registry.refusal = new AegisError("PERMISSION_DENIED", "No permission for the bucket");
  stage.directory.feed.use();
  const watch = watcher(stage);
  const error = await errorOf(take(watch, 1));
  ok(AegisError.is(error, "PERMISSION_DENIED"));
  strictEqual((await watch.next()).done, true);
});

test("a watch of a service that nobody serves holds no memory when it has ended", async () => {
  const stage = new Stage();
  await stage.known();
  const watch = watcher(stage);
  const waiting = watch.next();
  await settle();
  ok(stage.directory.view.of("shop") !== undefined);
  watch.end();
  await waiting;
  strictEqual(stage.directory.view.of("shop"), undefined);
});

test("whoever follows a watch knows what the registry has, however slowly it follows", async () => {
  const step = fc.tuple(
    fc.constantFrom("beat", "beat", "drop", "spoil", "upgrade", "miss", "again", "take", "take"),
    fc.nat({ max: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const stage = new Stage();
      await stage.known();
      const watch = watcher(stage);
      const followed = new Map<string, InstanceChange["instance"]>();
      const follow = ({ type, instance }: InstanceChange): void => {
        const { instanceId } = instance;
        // Never twice, and never back.
        strictEqual(followed.has(instanceId), type !== "joined", `${type} ${instanceId}`);
        if (type === "left") followed.delete(instanceId);
        else followed.set(instanceId, instance);
      };
      let version = 0;
      let pending: Promise<void> | undefined;
      const takeOne = (): void => {
        pending ??= watch.next().then(({ value, done }) => {
          pending = undefined;
          if (!done) follow(value);
        });
      };
      for (const [does, which] of steps) {
        const name = `i${which}`;
        if (does === "beat") stage.registry.beat(name);
        else if (does === "drop") stage.registry.drop(name);
        else if (does === "spoil") stage.registry.put(instanceKey("shop", name), 7);
        else if (does === "upgrade") stage.registry.beat(name, { version: `1.0.${++version}` });
        else if (does === "again") stage.directory.feed.again();
        else if (does === "take") takeOne();
        else stage.directory.missed("shop", name);
        await settle();
      }
      await stage.directory.feed.ready(1_000);
      // Until nothing more comes.
      for (let before = -1; before !== stage.directory.view.size || pending === undefined;) {
        before = stage.directory.view.size;
        takeOne();
        await settle();
        if (pending !== undefined) break;
      }
      deepStrictEqual([...followed.keys()].sort(), stage.names());
      for (const [name, instance] of followed) {
        strictEqual(instance.version, stage.directory.find("shop", name)!.instance.version);
      }
      watch.end();
    }),
    { numRuns: 40 },
  );
});
