// The contract of streams, third part: where consumers begin, what they take, and how deliveries are asked for.

import { AegisError } from "../domain/error.ts";
import type { DeliverFrom } from "../ports/stream.ts";
import { equal, holds, rejects } from "./contract_tools.ts";
import { staged, type TimedCase } from "./stream_tools.ts";

/** Cases of deliveries. */
export const streamPull: readonly TimedCase[] = [
  staged("a consumer begins where it says", async (stage) => {
    await stage.stream();
    await stage.putNumbers(2);
    await stage.pause(50);
    await stage.put("n", "2");
    const third = await stage.a.store.read(stage.name, 3, ">");
    const froms: Record<string, DeliverFrom> = {
      all: "all",
      new: "new",
      sequence: { sequence: 2 },
      time: { time: third!.storedAt },
      later: { time: third!.storedAt + 3_600_000 },
    };
    for (const [consumer, from] of Object.entries(froms)) {
      await stage.consumer({ name: consumer, from });
    }
    await stage.put("n", "3");
    const expected: Record<string, string[]> = {
      all: ["0", "1", "2", "3"],
      new: ["3"],
      sequence: ["1", "2", "3"],
      time: ["2", "3"],
      later: ["3"],
    };
    for (const [consumer, bodies] of Object.entries(expected)) {
      const taken = stage.take(10, undefined, { consumer });
      await stage.until(`${consumer} gets all`, () => taken.bodies.length >= bodies.length);
      equal(taken.bodies, bodies, `what ${consumer} gets`);
    }
  }),

  staged("a consumer takes what its filter fits", async (stage) => {
    const { subject } = stage;
    await stage.stream();
    const filters = { exact: `${subject}.a.1`, token: `${subject}.*.1`, rest: `${subject}.a.>` };
    for (const [name, filter] of Object.entries(filters)) await stage.consumer({ name, filter });
    const tokens = ["a.1", "b.1", "a", "a.2", "a.1.x", "c", "a.1"];
    const takens = Object.keys(filters).map((consumer) => stage.take(10, undefined, { consumer }));
    for (const token of tokens) await stage.put(token);
    const all = [["a.1", "a.1"], ["a.1", "b.1", "a.1"], ["a.1", "a.2", "a.1.x", "a.1"]];
    for (const [index, bodies] of all.entries()) {
      equal(await stage.bodies(takens[index]!, bodies.length), bodies, `filter ${index}`);
    }
    equal((await stage.place("exact")).pending, 0, "what is left for the exact one");
  }),

  staged("a delivery says which message it is", async (stage) => {
    const { a, name, subject } = stage;
    await stage.stream();
    await stage.consumer({ filter: `${subject}.yes` });
    for (const token of ["no", "yes", "no", "yes"]) await stage.put(token);
    const { got, pull } = stage.take(5);
    await stage.until("two are delivered", () => got.length === 2);
    got[0]!.ack();
    await pull.settled(5_000);
    // What is not for a consumer keeps its place from nothing.
    equal((await stage.place()).ackFloor, 3, "acknowledged, after the first");
    got[1]!.ack();
    await pull.settled(5_000);
    equal((await stage.place()).ackFloor, 4, "acknowledged, after both");
    for (const [index, sequence] of [2, 4].entries()) {
      const delivery = got[index]!;
      const stored = await a.store.read(name, sequence, ">");
      equal([delivery.sequence, delivery.attempt], [sequence, 1], "sequence, attempt");
      const { message, storedAt } = delivery;
      equal([message.subject, storedAt], [stored!.subject, stored!.storedAt], "subject, time");
    }
  }),

  staged("nothing is delivered before it is asked for, and no more than was", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(10);
    const taken = stage.take(0);
    await stage.quiet();
    equal([taken.got.length, taken.pull.asked], [0, 0], "deliveries and asked, before");
    taken.pull.ask(3);
    equal(taken.pull.asked, 3, "asked, at once");
    equal(await stage.bodies(taken, 3), ["0", "1", "2"], "what is delivered");
    equal(taken.pull.asked, 0, "asked, after");
    equal((await stage.place()).pending, 7, "what is left");
  }),

  staged("what is asked for adds up, and waits for messages", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const taken = stage.take(1);
    taken.pull.ask(2);
    equal(taken.pull.asked, 3, "asked");
    await stage.putNumbers(2);
    equal(await stage.bodies(taken, 2), ["0", "1"], "what is delivered");
    taken.pull.ask(2);
    equal(taken.pull.asked, 3, "asked, and not come");
    await stage.putNumbers(5, 2);
    equal(await stage.bodies(taken, 5), ["0", "1", "2", "3", "4"], "what is delivered");
  }),

  staged("2,000 messages come in order through a small window", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const taken = stage.take(16, (delivery, { pull }) => {
      delivery.ack();
      pull.ask(1);
    });
    await stage.putNumbers(1_000);
    await stage.putNumbers(1_000, 1_000);
    await stage.until("all are delivered", () => taken.got.length >= 2_000);
    equal(taken.bodies, taken.bodies.map((_, i) => String(i)), "the order");
    equal(taken.got.length, 2_000, "deliveries");
    equal(taken.pull.asked, 16, "asked, and not come");
    await taken.pull.settled(5_000);
    const { pending, ackPending, ackFloor } = await stage.place();
    equal([pending, ackPending, ackFloor], [0, 0, 2_000], "pending, unacknowledged, acknowledged");
  }),

  staged("two pulls of a consumer share its messages", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const one = stage.take(50, (delivery) => delivery.ack());
    const two = stage.take(50, (delivery) => delivery.ack(), { from: stage.b });
    await stage.quiet();
    await stage.putNumbers(100);
    await stage.until("all are delivered", () => one.got.length + two.got.length >= 100);
    equal([one.got.length, two.got.length], [50, 50], "what each gets");
    equal(new Set([...one.bodies, ...two.bodies]).size, 100, "different messages");
    for (const { got } of [one, two]) {
      holds(got.every(({ sequence }, i) => i === 0 || got[i - 1]!.sequence < sequence), "in order");
    }
  }),

  staged("two pulls that ask for more than there is get a share each", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const one = stage.take(100, (delivery) => delivery.ack());
    const two = stage.take(100, (delivery) => delivery.ack(), { from: stage.b });
    await stage.quiet();
    await stage.putNumbers(100);
    await stage.until("all are delivered", () => one.got.length + two.got.length >= 100);
    const shares = [one.got.length, two.got.length];
    holds(Math.min(...shares) >= 20, `the shares are ${shares}`);
  }),

  staged("two consumers get each message each", async (stage) => {
    await stage.stream();
    for (const name of ["c1", "c2"]) await stage.consumer({ name });
    const one = stage.take(20, (delivery) => delivery.ack());
    const two = stage.take(20, undefined, { from: stage.b, consumer: "c2" });
    await stage.putNumbers(20);
    const expected = Array.from({ length: 20 }, (_, i) => String(i));
    equal(await stage.bodies(one, 20), expected, "what the first gets");
    equal(await stage.bodies(two, 20), expected, "what the second gets");
  }),

  staged("what onDelivery throws keeps nothing from anybody", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(3);
    const taken = stage.take(5, ({ sequence }) => {
      if (sequence !== 2) throw new Error("a listener threw this on purpose");
    });
    equal(await stage.bodies(taken, 3), ["0", "1", "2"], "what is delivered");
  }),

  staged("close() hands over what was sent, and nothing after it", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(100);
    const taken = stage.take(100);
    await taken.pull.close();
    const handed = taken.got.length;
    equal(taken.pull.asked, 0, "asked");
    taken.pull.ask(10);
    await taken.pull.close(1_000);
    await stage.putNumbers(5, 100);
    await stage.quiet(500);
    equal(taken.got.length, handed, "what was handed over, later");
    // Nothing was taken that is not here: another pull gets the rest at once, and not after the ack wait.
    const next = stage.take(200, undefined, { from: stage.b });
    await stage.until("the rest is delivered", () => next.got.length >= 105 - handed);
    const all = [...taken.bodies, ...next.bodies];
    equal(all, all.map((_, i) => String(i)), "what was delivered in all");
    equal(next.got.every(({ attempt }) => attempt === 1), true, "for the first time");
  }),

  staged(
    "a pull hears that its transport is closed, unless it was closed before",
    async (stage) => {
      await stage.stream();
      await stage.consumer();
      const errors: (Error | undefined)[] = [];
      const open = () =>
        stage.a.store.pull(stage.name, "c1", {
          onDelivery() {},
          onGone: () => void errors.push(new Error("gone")),
          onHealth: (error) => void errors.push(error),
        });
      const [one, two] = [open(), open()];
      for (const pull of [one, two]) pull.ask(1);
      await stage.quiet();
      await two.close();
      await stage.first.close();
      equal(errors.map((error) => AegisError.is(error, "CLOSED")), [true], "what they hear");
      one.ask(1);
      equal(one.asked, 0, "asked, when closed");
    },
  ),

  staged("a pull of a consumer that is not there says that it is gone", async (stage) => {
    await stage.stream();
    const taken = stage.take(0);
    await stage.quiet();
    equal(taken.gone(), 0, "before anything is asked for");
    taken.pull.ask(5);
    await stage.until("it is said to be gone", () => taken.gone() > 0);
    equal([taken.gone(), taken.pull.asked], [1, 0], "how often it is gone, and asked");
    await stage.consumer();
    await stage.putNumbers(3);
    taken.pull.ask(2);
    equal(await stage.bodies(taken, 2), ["0", "1"], "what is delivered then");
    equal(taken.gone(), 1, "how often it was gone");
  }),

  staged("a consumer that is deleted is gone, and goes on when it is made again", async (stage) => {
    const { b, name } = stage;
    await stage.stream();
    await stage.consumer();
    const taken = stage.take(5, (delivery) => delivery.ack());
    await stage.putNumbers(2);
    await stage.bodies(taken, 2);
    await b.admin.deleteConsumer(name, "c1");
    await stage.until("it is said to be gone", () => taken.gone() > 0);
    await stage.quiet();
    equal([taken.gone(), taken.pull.asked], [1, 0], "how often it is gone, and asked");
    await stage.put("n", "2");
    await stage.consumer({ from: { sequence: 3 } });
    taken.pull.ask(5);
    await stage.put("n", "3");
    equal(await stage.bodies(taken, 4), ["0", "1", "2", "3"], "what is delivered in all");
  }),

  staged("a consumer whose stream is deleted is gone", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const taken = stage.take(5);
    await stage.put("n", "before");
    await stage.bodies(taken, 1);
    await stage.remove(stage.name);
    await stage.until("it is said to be gone", () => taken.gone() > 0);
    await rejects("STREAM_NOT_FOUND", () => stage.put("n"));
    taken.pull.ask(1);
    await stage.until("it is said to be gone again", () => taken.gone() > 1);
    await stage.stream();
    await stage.consumer();
    taken.pull.ask(1);
    await stage.put("n", "0");
    equal(await stage.bodies(taken, 2), ["before", "0"], "what is delivered");
    equal(taken.got[1]!.sequence, 1, "its sequence");
  }),

  staged("a consumer that nobody pulls goes after its inactive threshold", async (stage) => {
    const { a, name } = stage;
    await stage.stream();
    await stage.consumer({ name: "left", inactiveThresholdMs: 1_500 });
    await stage.consumer({ name: "pulled", inactiveThresholdMs: 1_500 });
    await stage.consumer({ name: "kept" });
    const taken = stage.take(1, undefined, { consumer: "pulled" });
    await stage.until("it goes", async () => await a.admin.consumer(name, "left") === undefined);
    await stage.pause(3_000);
    await stage.place("kept");
    equal(taken.gone(), 0, "how often the one that is pulled is gone");
    await stage.put("n", "0");
    equal(await stage.bodies(taken, 1), ["0"], "what the one that is pulled delivers");
  }),
];
