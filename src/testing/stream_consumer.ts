// The contract of streams, sixth part: what a delivery says of its consumer, and what is heard of it.

import { equal, holds, rejects } from "./contract_tools.ts";
import { staged, type TimedCase } from "./stream_tools.ts";

/** Cases of what is still to come, of confirmations, and of several consumers. */
export const streamConsumer: readonly TimedCase[] = [
  staged("a delivery says how many are still to come", async (stage) => {
    const { subject } = stage;
    await stage.stream();
    await stage.consumer({ filter: `${subject}.yes` });
    for (const token of ["yes", "no", "yes", "yes", "no", "yes", "no"]) await stage.put(token);
    const taken = stage.take(3);
    await stage.bodies(taken, 3);
    equal(taken.got.map(({ pending }) => pending), [3, 2, 1], "what is to come after each");
    // What is delivered again is none of them.
    await stage.put("yes");
    taken.got[0]!.nak(0);
    await taken.pull.settled(5_000);
    taken.pull.ask(1);
    await stage.bodies(taken, 4);
    equal([taken.got[3]!.attempt, taken.got[3]!.pending], [2, 2], "attempt, and what is to come");
    equal((await stage.place()).pending, 2, "what the consumer says");
    taken.pull.ask(5);
    await stage.bodies(taken, 6);
    equal(taken.got.slice(4).map(({ pending }) => pending), [1, 0], "after the last two");
  }),

  staged("what gives way to a newer one of its subject is not to come", async (stage) => {
    await stage.stream({ maxMessagesPerSubject: 1 });
    await stage.consumer();
    for (const token of ["a", "b", "a", "a", "b"]) await stage.put(token);
    // A server counts what gives way before it counts what has come in its place.
    await stage.until("two are to come", async () => (await stage.place()).pending === 2);
    const taken = stage.take(5);
    await stage.bodies(taken, 2);
    equal(taken.got.map(({ pending }) => pending), [1, 0], "what is to come after each");
  }),

  staged("working() is confirmed, later and once", async (stage) => {
    await stage.stream();
    await stage.consumer({ ackWaitMs: 1_500 });
    await stage.put("a");
    const taken = stage.take(5);
    await stage.bodies(taken, 1);
    const delivery = taken.got[0]!;
    for (let heard = 0, i = 0; i < 8; i++) {
      delivery.working(() => void heard++);
      equal(heard, i, "how often it was heard, in the same call");
      await stage.until("it is confirmed", () => heard > i);
      await stage.pause(400);
      equal(heard, i + 1, "how often it was heard");
    }
    equal(taken.got.length, 1, "deliveries, after 3,200 ms in work");
    delivery.ack();
    await taken.pull.settled(5_000);
    equal((await stage.place()).ackPending, 0, "unacknowledged");
  }),

  staged("what working() is told to call may throw", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.put("a");
    const taken = stage.take(5);
    await stage.bodies(taken, 1);
    let heard = 0;
    taken.got[0]!.working(() => {
      heard++;
      throw new Error("a listener threw this on purpose");
    });
    taken.got[0]!.working(() => void heard++);
    await stage.until("both are confirmed", () => heard === 2);
    await stage.put("b");
    equal(await stage.bodies(taken, 2), ["a", "b"], "what is delivered");
  }),

  staged(
    "working() is not confirmed after an acknowledgement, or by no consumer",
    async (stage) => {
      await stage.stream();
      await stage.consumer();
      await stage.putNumbers(3);
      const taken = stage.take(5);
      await stage.bodies(taken, 3);
      const heard: string[] = [];
      taken.got[0]!.ack();
      taken.got[0]!.working(() => heard.push("acknowledged"));
      taken.got[1]!.working(() => heard.push("in work"));
      await stage.until("the second is confirmed", () => heard.length > 0);
      await stage.b.admin.deleteConsumer(stage.name, "c1");
      taken.got[2]!.working(() => heard.push("deleted"));
      await stage.quiet(500);
      equal(heard, ["in work"], "what was confirmed");
    },
  ),

  staged("a consumer without a limit of acknowledgements delivers all", async (stage) => {
    await stage.stream();
    await stage.consumer({ maxAckPending: 0 });
    equal((await stage.place()).config.maxAckPending, 0, "its limit");
    // More than servers take for a limit where none is said.
    for (let i = 0; i < 3; i++) await stage.putNumbers(1_000, i * 1_000);
    const taken = stage.take(5_000);
    await stage.until("all are delivered", () => taken.got.length >= 3_000);
    equal((await stage.place()).ackPending, 3_000, "unacknowledged");
    await stage.consumer({ maxAckPending: 10 });
    equal((await stage.place()).config.maxAckPending, 10, "another limit");
    await stage.put("n", "more");
    await stage.quiet();
    equal(taken.got.length, 3_000, "deliveries with another limit");
    await stage.consumer({ maxAckPending: 0 });
    await stage.until("it is delivered without one", () => taken.got.length === 3_001);
  }),

  staged("consumers() names all consumers of a stream", async (stage) => {
    const { b, name, subject } = stage;
    equal(await b.admin.consumers(name), [], "where there is no stream");
    await stage.stream();
    equal(await b.admin.consumers(name), [], "where there is none");
    const names = Array.from({ length: 30 }, (_, i) => `c${100 + i}`);
    for (const one of names) await stage.consumer({ name: one, filter: `${subject}.${one}` });
    equal([...await b.admin.consumers(name)].sort(), names, "the names");
    await stage.a.admin.deleteConsumer(name, "c107");
    const left = names.filter((one) => one !== "c107");
    equal([...await b.admin.consumers(name)].sort(), left, "the names of those that are left");
  }),

  staged(
    "a work queue has a consumer for each subject, and none for what has one",
    async (stage) => {
      const { subject } = stage;
      await stage.stream({ retention: "workqueue", discard: "new", maxMessagesPerSubject: 0 });
      const filters = { normal: `${subject}.job`, high: `${subject}.job.high` };
      for (const [name, filter] of Object.entries(filters)) await stage.consumer({ name, filter });
      for (const filter of [`${subject}.job`, `${subject}.*.high`, `${subject}.>`]) {
        const error = await rejects("CONFLICT", () => stage.consumer({ name: "other", filter }));
        equal(error.name, "ConflictError", `the error of ${filter}`);
      }
      for (const token of ["job", "job.high", "job", "job.low"]) await stage.put(token);
      for (const [consumer, count] of [["normal", 2], ["high", 1]] as const) {
        const taken = stage.take(5, (delivery) => delivery.ack(), { consumer });
        await stage.bodies(taken, count);
        holds(taken.got.every(({ attempt }) => attempt === 1), "for the first time");
      }
      await stage.until("one is left", async () => (await stage.state()).messages === 1);
      equal((await stage.state()).firstSequence, 4, "the one that nobody takes");
    },
  ),

  staged("a consumer tells whether somebody waits for its messages", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const waiting = async () => (await stage.place()).waiting > 0;
    equal(await waiting(), false, "before anybody asks");
    const taken = stage.take(1);
    await stage.until("somebody waits", waiting);
    await stage.put("a");
    await stage.until("it has what it asked for", async () => !await waiting());
    taken.pull.ask(2);
    await stage.until("it waits again", waiting);
    await taken.pull.close();
    await stage.until("nobody waits any more", async () => !await waiting());
    stage.take(1, undefined, { from: stage.b });
    await stage.until("another waits", waiting);
    await stage.second.close();
    await stage.until("it has gone without a word", async () => !await waiting());
  }),
];
