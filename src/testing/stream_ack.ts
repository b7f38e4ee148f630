// The contract of streams, fourth part: what becomes of a delivery by its acknowledgement, and without one.

import { equal, holds, rejects } from "./contract_tools.ts";
import { includes, staged, type TimedCase } from "./stream_tools.ts";

/** Cases of acknowledgements. */
export const streamAck: readonly TimedCase[] = [
  staged(
    "what has no word within the ack wait is delivered again, the rest is not",
    async (stage) => {
      await stage.stream();
      await stage.consumer({ ackWaitMs: 1_000 });
      await stage.putNumbers(4);
      const times: number[] = [];
      const taken = stage.take(20, (delivery) => {
        times.push(stage.clock.monotonic());
        if (delivery.sequence === 1 || delivery.attempt === 2) delivery.ack();
        else if (delivery.sequence === 3) delivery.term();
      });
      await stage.until("two are delivered again", () => taken.got.length >= 6);
      // Two more ack waits: nothing comes again that has its word.
      await stage.quiet(2_500);
      equal(taken.bodies, ["0", "1", "2", "3", "1", "3"], "what is delivered");
      equal(taken.got.slice(4).map(({ attempt }) => attempt), [2, 2], "the attempts");
      const waited = times[4]! - times[1]!;
      holds(waited >= 900, `it was delivered again after ${waited} ms`);
      const { pending, ackPending, ackFloor } = await stage.place();
      equal([pending, ackPending, ackFloor], [0, 0, 4], "pending, unacknowledged, acknowledged");
    },
  ),

  staged("attempts are counted", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.put("a");
    const taken = stage.take(10, (delivery) => {
      if (delivery.attempt < 5) delivery.nak(0);
      else delivery.ack();
    });
    await stage.bodies(taken, 5);
    equal(taken.got.map(({ attempt }) => attempt), [1, 2, 3, 4, 5], "the attempts");
    equal(taken.got.map(({ sequence }) => sequence), [1, 1, 1, 1, 1], "the sequences");
    equal(new Set(taken.got.map(({ storedAt }) => storedAt)).size, 1, "times of storing");
  }),

  staged("working() begins the ack wait anew", async (stage) => {
    await stage.stream();
    await stage.consumer({ ackWaitMs: 1_500 });
    await stage.put("a");
    const taken = stage.take(5);
    await stage.until("it is delivered", () => taken.got.length === 1);
    for (let i = 0; i < 10; i++) {
      await stage.pause(400);
      taken.got[0]!.working();
    }
    equal(taken.got.length, 1, "deliveries, after 4,000 ms in work");
    await stage.until("it is delivered again", () => taken.got.length === 2);
    equal(taken.got[1]!.attempt, 2, "the attempt");
  }),

  staged("nak(0) has it delivered again at once", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(3);
    const taken = stage.take(10, (delivery) => {
      if (delivery.sequence === 2 && delivery.attempt === 1) delivery.nak(0);
      else delivery.ack();
    });
    await stage.bodies(taken, 4);
    equal(taken.bodies.filter((body) => body === "1").length, 2, "deliveries of the second");
    await taken.pull.settled(5_000);
    equal((await stage.place()).ackPending, 0, "unacknowledged");
  }),

  staged("nak() has it delivered again after its delay, and not before", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(2);
    const times: number[] = [];
    const taken = stage.take(10, (delivery) => {
      times.push(stage.clock.monotonic());
      if (delivery.sequence === 1 && delivery.attempt === 1) delivery.nak(1_200);
      else delivery.ack();
    });
    await stage.bodies(taken, 3);
    equal(taken.bodies, ["0", "1", "0"], "what is delivered");
    const waited = times[2]! - times[0]!;
    holds(waited >= 1_100 && waited < 10_000, `delivered again after ${waited} ms`);
  }),

  staged("a nak's delay may be longer than the ack wait", async (stage) => {
    await stage.stream();
    await stage.consumer({ ackWaitMs: 500 });
    await stage.put("a");
    const times: number[] = [];
    const taken = stage.take(10, (delivery) => {
      times.push(stage.clock.monotonic());
      if (delivery.attempt === 1) delivery.nak(2_500);
      else delivery.ack();
    });
    await stage.bodies(taken, 2);
    const waited = times[1]! - times[0]!;
    holds(waited >= 2_300, `delivered again after ${waited} ms`);
  }),

  staged("of ack(), nak() and term() the first counts", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(3);
    const taken = stage.take(10, (delivery) => {
      if (delivery.attempt > 1 || delivery.sequence === 1) {
        delivery.ack();
        delivery.ack();
        delivery.nak(0);
      } else if (delivery.sequence === 2) {
        delivery.nak(0);
        delivery.ack();
        delivery.term();
      } else {
        delivery.term();
        delivery.nak(0);
      }
      delivery.working();
    });
    await stage.bodies(taken, 4);
    const sequences = taken.got.map(({ sequence }) => sequence).sort();
    equal(sequences, [1, 2, 2, 3], "what is delivered");
    await taken.pull.settled(5_000);
    equal((await stage.place()).ackPending, 0, "unacknowledged");
  }),

  staged("no more than maxAckPending are without an acknowledgement", async (stage) => {
    await stage.stream();
    await stage.consumer({ maxAckPending: 2 });
    await stage.putNumbers(5);
    const taken = stage.take(10);
    equal(await stage.bodies(taken, 2), ["0", "1"], "what is delivered");
    const { pending, ackPending } = await stage.place();
    equal([pending, ackPending], [3, 2], "pending, unacknowledged");
    taken.got[1]!.ack();
    equal(await stage.bodies(taken, 3), ["0", "1", "2"], "when one has its acknowledgement");
    // What is delivered again is none more.
    taken.got[0]!.nak(0);
    equal(await stage.bodies(taken, 4), ["0", "1", "2", "0"], "when one has a nak");
    for (const delivery of taken.got) delivery.ack();
    equal((await stage.bodies(taken, 6)).slice(4), ["3", "4"], "when all have theirs");
  }),

  staged("settled() resolves when the broker has every acknowledgement", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(300);
    const taken = stage.take(300);
    await stage.until("all are delivered", () => taken.got.length === 300);
    includes(await stage.place(), { pending: 0, ackPending: 300, ackFloor: 0 }, "before");
    for (const delivery of taken.got.slice(0, 100)) delivery.ack();
    await taken.pull.settled(10_000);
    includes(await stage.place(), { ackPending: 200, ackFloor: 100 }, "after 100");
    for (const delivery of taken.got.slice(150)) delivery.ack();
    for (const delivery of taken.got.slice(120, 150)) delivery.term();
    await taken.pull.settled(10_000);
    includes(await stage.place(), { ackPending: 20, ackFloor: 100 }, "with a gap");
    for (const delivery of taken.got) delivery.ack();
    await taken.pull.close();
    await taken.pull.settled(10_000);
    includes(await stage.place(), { ackPending: 0, ackFloor: 300 }, "after all");
  }),

  staged("what a closed pull left unacknowledged goes to another one", async (stage) => {
    await stage.stream();
    await stage.consumer({ ackWaitMs: 1_000 });
    await stage.putNumbers(3);
    const taken = stage.take(3);
    await stage.until("all are delivered", () => taken.got.length === 3);
    await taken.pull.close();
    // What was delivered before can still have its acknowledgement.
    taken.got[1]!.ack();
    await taken.pull.settled(5_000);
    const next = stage.take(10, (delivery) => delivery.ack(), { from: stage.b });
    equal(await stage.bodies(next, 2), ["0", "2"], "what the other one gets");
    equal(next.got.map(({ attempt }) => attempt), [2, 2], "the attempts");
    equal(taken.got.length, 3, "what the closed one got");
  }),

  staged("a message that is removed is not delivered again", async (stage) => {
    await stage.stream();
    await stage.consumer({ ackWaitMs: 1_500 });
    await stage.putNumbers(3);
    const taken = stage.take(10, (delivery) => {
      if (delivery.sequence === 3) delivery.ack();
    });
    await stage.until("all are delivered", () => taken.got.length === 3);
    await stage.a.store.remove(stage.name, 1);
    await stage.until("the second is delivered again", () => taken.got.length === 4);
    taken.got[3]!.ack();
    await stage.quiet(2_000);
    equal(taken.bodies, ["0", "1", "2", "1"], "what is delivered");
    equal((await stage.place()).ackPending, 0, "unacknowledged");
  }),

  staged("a work queue keeps a message until it is acknowledged", async (stage) => {
    await stage.stream({ retention: "workqueue", discard: "new", maxMessages: 3 });
    await stage.consumer();
    await stage.putNumbers(3);
    await rejects("QUEUE_FULL", () => stage.put("n", "3"));
    const taken = stage.take(10);
    await stage.until("all are delivered", () => taken.got.length === 3);
    equal((await stage.state()).messages, 3, "messages, delivered");
    taken.got[1]!.ack();
    taken.got[2]!.term();
    await taken.pull.settled(5_000);
    await stage.until("one is left", async () => (await stage.state()).messages === 1);
    await stage.put("n", "4");
    taken.got[0]!.ack();
    await taken.pull.settled(5_000);
    await stage.until("one is left", async () => (await stage.state()).messages === 1);
    equal((await stage.state()).firstSequence, 4, "the one that is left");
  }),

  staged("a work queue gives what was not acknowledged to the next consumer", async (stage) => {
    await stage.stream({ retention: "workqueue" });
    await stage.consumer();
    await stage.putNumbers(3);
    const taken = stage.take(2);
    await stage.bodies(taken, 2);
    taken.got[0]!.ack();
    await taken.pull.settled(5_000);
    await stage.a.admin.deleteConsumer(stage.name, "c1");
    await stage.consumer({ name: "c2" });
    const next = stage.take(5, undefined, { consumer: "c2" });
    equal(await stage.bodies(next, 2), ["1", "2"], "what the next one gets");
    equal(next.got.map(({ attempt }) => attempt), [1, 1], "the attempts");
  }),

  staged("consumers of a work queue do not overlap", async (stage) => {
    const { subject } = stage;
    await stage.stream({ retention: "workqueue" });
    await stage.consumer({ name: "a", filter: `${subject}.a.*` });
    await rejects("CONFLICT", () => stage.consumer({ name: "b", filter: `${subject}.a.b` }));
    await stage.consumer({ name: "b", filter: `${subject}.b` });
    await stage.put("a.1");
    await stage.put("b");
    for (const [consumer, body] of [["a", "a.1"], ["b", "b"]] as const) {
      const taken = stage.take(5, (delivery) => delivery.ack(), { consumer });
      equal(await stage.bodies(taken, 1), [body], `what ${consumer} gets`);
    }
    await stage.until("nothing is left", async () => (await stage.state()).messages === 0);
  }),
];
