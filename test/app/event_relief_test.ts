// Events that wait behind a handler which has become slow go to others, and what was handed back is no attempt.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  createClient,
  event,
  on,
  type OnOptions,
  type ReceivedEvent,
  type Service,
} from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import { EventRelief } from "../../src/app/event_relief.ts";
import type { Handling } from "../../src/app/event_handling.ts";
import { EventSlots } from "../../src/app/event_slots.ts";
import { HandBacks } from "../../src/app/hand_backs.ts";
import type { HandBackNotes } from "../../src/app/hand_back_notes.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { bothStreams, type Buses, until } from "./buses.ts";
import { turns } from "./command_run_tools.ts";

const Created = event("order.created");
const numberOf = ({ payload }: ReceivedEvent) => (payload as { n: number }).n;
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);
const inHand = async (service: Service) => (await service.health()).inFlight;

/** Publishes events with these numbers, in their order. */
async function publish({ client }: Buses, from: number, to: number): Promise<void> {
  await createClient({ bus: client }).publishMany(numbers(from, to).map((n) => Created({ n })));
}

/**
 * An instance whose handler is done at once with `quick` events, and holds those that come next. Its clock stands still: it
 * takes its handler for as quick as can be, and fetches more and more.
 */
async function slowing(buses: Buses, quick: number, options: OnOptions) {
  const clock = new ManualClock();
  const got: number[] = [];
  const held: (() => void)[] = [];
  const handler = on("order.*", options, (event) => {
    got.push(numberOf(event));
    if (got.length > quick) return new Promise<void>((resolve) => held.push(resolve));
  });
  const service = await buses.serve("billing", [handler], { bus: await buses.open({ clock }) });
  const release = () => held.splice(0).forEach((end) => end());
  /** Stops it: what waits is handed back, and what runs then ends. */
  const stop = async () => {
    const stopped = service.stop();
    await until(async () => await inHand(service) === held.length);
    release();
    await stopped;
  };
  return { clock, got, service, release, stop };
}

bothStreams(
  "what waits behind a handler that has become slow goes to an instance that is idle, once",
  async (buses) => {
    const options = { concurrency: 4, ackWaitMs: 60_000 };
    const slow = await slowing(buses, 200, options);
    await publish(buses, 0, 370);
    await until(async () => await inHand(slow.service) === 170);
    strictEqual(slow.got.length, 204);
    const others: [number, number][] = [];
    await buses.serve("billing", [
      on("order.*", options, (event, ctx) => void others.push([numberOf(event), ctx.attempt])),
    ], { bus: await buses.open() });
    // What is slow for a moment keeps what it has.
    for (let n = 0; n < 2; n++) slow.clock.advance(500);
    strictEqual(await inHand(slow.service), 170);
    slow.clock.advance(500);
    // What it had asked for before comes to it again, as much as that is, and goes back in the same way.
    await until(async () => {
      const has = await inHand(slow.service);
      return has <= 16 && has + others.length === 170;
    });
    for (let n = 0; n < 3; n++) slow.clock.advance(500);
    await until(() => others.length === 166);
    strictEqual(await inHand(slow.service), 4);
    slow.release();
    await until(async () => await inHand(slow.service) === 0);
    await publish(buses, 370, 371);
    await until(() => others.length + slow.got.length === 371);
    const all = [...slow.got, ...others.map(([n]) => n)].sort((a, b) => a - b);
    deepStrictEqual(all, numbers(0, 371));
    // No event was moved to and fro.
    ok(others.every(([, attempt]) => attempt <= 3), String(others));
  },
);

bothStreams(
  "an instance keeps what nobody else would have in its place: what is for each",
  async (buses) => {
    const slow = await slowing(buses, 40, { mode: "broadcast", concurrency: 4 });
    await publish(buses, 0, 90);
    await until(async () => await inHand(slow.service) === 50);
    for (let n = 0; n < 6; n++) {
      slow.clock.advance(500);
      await turns();
    }
    strictEqual(await inHand(slow.service), 50);
    slow.release();
    await until(() => slow.got.length === 48);
    // Those that have waited begin in their order.
    deepStrictEqual(slow.got, numbers(0, 48));
    await slow.stop();
  },
);

bothStreams(
  "an event that was handed back in one deployment after the other has all its attempts",
  async (buses) => {
    const retry = { attempts: 3, initialDelayMs: 10, factor: 1, jitter: 0 };
    // An instance fetches about twice as many as it was quick with: each of these has all that is left.
    const deployments = [16, 8, 4, 2];
    const last = deployments.reduce((sum, quick) => sum + quick + 1, 0);
    const done: number[] = [];
    for (const quick of deployments) {
      const one = await slowing(buses, quick, { concurrency: 1, ackWaitMs: 60_000, retry });
      if (done.length === 0) await publish(buses, 0, last + 1);
      await until(async () => await inHand(one.service) === last + 1 - done.length - quick);
      await one.stop();
      strictEqual(one.got.length, quick + 1);
      done.push(...one.got);
    }
    // A server may put one of those that are handed back behind the others.
    const [left, ...others] = numbers(0, last + 1).filter((n) => !done.includes(n));
    deepStrictEqual(others, []);
    const runs: number[] = [];
    await buses.serve("billing", [
      on("order.*", { retry }, (event, ctx) => {
        strictEqual(numberOf(event), left);
        runs.push(ctx.attempt);
        throw new Error("no");
      }),
    ]);
    const client = createClient({ bus: buses.client });
    await until(async () => (await client.listDeadLetters()).length === 1);
    // The server has counted four deliveries before the first of these.
    deepStrictEqual(runs, [5, 6, 7]);
    const [letter] = await client.listDeadLetters();
    deepStrictEqual([letter!.reason, letter!.attempts], ["failed", 3]);
  },
);

/** Slots in which nothing begins by itself, and what waits for them. */
function waitingFor(clock: ManualClock, attempts: readonly number[]) {
  const slots = new EventSlots(0, () => {});
  const all = attempts.map((attempt, n) =>
    ({ n, attempt, turn: undefined, ended: false, arrivedAt: clock.monotonic() }) as unknown as
      & Handling
      & { readonly n: number }
  );
  for (const handling of all) slots.queue(handling);
  return slots;
}

function relieved(clock: ManualClock, slots: EventSlots, mayGive = () => true) {
  const given: number[][] = [];
  const relief = new EventRelief({
    clock,
    slots,
    mayGive,
    give: (all) => given.push(all.map((one) => (one as unknown as { readonly n: number }).n)),
  });
  relief.start();
  return { relief, given };
}

test("what would begin within a second at the rate seen stays, and those that came last go", () => {
  const clock = new ManualClock();
  const { relief, given } = relieved(clock, waitingFor(clock, [1, 1, 1, 1, 1, 1]));
  clock.advance(1_000);
  for (let n = 0; n < 2; n++) relief.began();
  clock.advance(499);
  deepStrictEqual(given, []);
  clock.advance(1);
  // Two in half a second are four in one.
  deepStrictEqual(given, [[4, 5]]);
});

test("an event that went from one slow instance to the next twice stays where it is", () => {
  const clock = new ManualClock();
  const slots = waitingFor(clock, [1, 2, 3, 4]);
  const { given } = relieved(clock, slots);
  clock.advance(10_000);
  deepStrictEqual([given, slots.waiting], [[[0, 1]], 2]);
});

test("while nobody else could have it, or once it was told to stop, nothing is handed back", () => {
  const clock = new ManualClock();
  const slots = waitingFor(clock, [1]);
  let away = true;
  const { relief, given } = relieved(clock, slots, () => !away);
  clock.advance(10_000);
  deepStrictEqual(given, []);
  away = false;
  relief.stop();
  relief.start();
  clock.advance(10_000);
  deepStrictEqual([given, clock.pending], [[], 0]);
});

/** Hand-backs whose notes are stored when a test says so. */
function noting(status: "connected" | "reconnecting" = "connected") {
  const clock = new ManualClock();
  const notes: { readonly count: number; readonly store: (error?: Error) => void }[] = [];
  const told: string[] = [];
  const handBacks = new HandBacks(
    { clock, transport: { status }, logger: { debug() {} } } as unknown as Runtime,
    {
      add: (all: readonly unknown[]) =>
        new Promise<void>((resolve, reject) =>
          notes.push({
            count: all.length,
            store: (error) => error === undefined ? resolve() : reject(error),
          })
        ),
    } as unknown as HandBackNotes,
  );
  const give = (name: string) => handBacks.give({} as Handling, () => told.push(name));
  return { clock, notes, told, handBacks, give };
}

test("what is handed back together is under one note, and what comes meanwhile under the next", async () => {
  const { clock, notes, told, give } = noting();
  for (const name of ["a", "b"]) give(name);
  await turns(1);
  for (const name of ["c", "d", "e"]) give(name);
  await turns(1);
  deepStrictEqual([notes.map(({ count }) => count), told], [[2], []]);
  notes[0]!.store();
  await turns(1);
  deepStrictEqual([notes.map(({ count }) => count), told], [[2, 3], ["a", "b"]]);
  notes[1]!.store(new Error("no"));
  await turns(1);
  deepStrictEqual([told, clock.pending], [["a", "b", "c", "d", "e"], 0]);
});

test("a note that takes long keeps nothing from others, nor does one while the bus is away", async () => {
  const { clock, notes, told, give, handBacks } = noting();
  give("a");
  await turns(1);
  clock.advance(999);
  deepStrictEqual(told, []);
  clock.advance(1);
  deepStrictEqual(told, ["a"]);
  give("b");
  handBacks.flush();
  deepStrictEqual(told, ["a", "b"]);
  give("c");
  await turns(1);
  notes[0]!.store();
  notes[1]!.store();
  await turns(1);
  deepStrictEqual([told, notes.length], [["a", "b", "c"], 2]);
  const away = noting("reconnecting");
  away.give("d");
  await turns(1);
  deepStrictEqual([away.told, away.notes.length], [["d"], 0]);
});
