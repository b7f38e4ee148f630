// The contract of streams, second part: making, comparing, reading and removing.

import type { DeliverFrom, StreamConfig } from "../ports/stream.ts";
import { equal, holds, rejects } from "./contract_tools.ts";
import { includes, staged, type TimedCase } from "./stream_tools.ts";

/** Cases of streams, of consumers, and of what a stream holds. */
export const streamAdmin: readonly TimedCase[] = [
  staged("a stream is as it was made", async (stage) => {
    const config = stage.config({
      description: "What is kept, grün",
      subjects: [`${stage.subject}.a.>`, `${stage.subject}.b`],
      retention: "workqueue",
      storage: "file",
      discard: "new",
      maxAgeMs: 3_600_000,
      maxMessages: 1_000,
      maxMessagesPerSubject: 10,
      maxBytes: 1_000_000,
      maxMessageBytes: 10_000,
      duplicateWindowMs: 30_000,
    });
    await stage.a.admin.createStream(config);
    const state = await stage.b.admin.stream(stage.name);
    includes(state!.config, config, "the settings");
    const { messages, bytes, firstSequence, lastSequence } = state!;
    equal([messages, bytes, firstSequence, lastSequence], [0, 0, 1, 0], "how it begins");
  }),

  staged("a stream without limits says so", async (stage) => {
    await stage.stream();
    includes((await stage.state()).config, stage.config(), "the settings");
  }),

  staged(
    "ids are remembered for two minutes, unless more or less is said or kept",
    async (stage) => {
      const { a } = stage;
      const windows = [[0, 0, 120_000], [60_000, 0, 60_000], [0, 300_000, 300_000]] as const;
      for (const [maxAgeMs, duplicateWindowMs, window] of windows) {
        const config = stage.config({ maxAgeMs, duplicateWindowMs });
        await a.admin.createStream(config);
        await a.admin.createStream(config);
        equal((await stage.state()).config.duplicateWindowMs, window, "the window");
        await stage.remove(stage.name);
      }
      await a.admin.createStream(stage.config({ maxAgeMs: 30_000, duplicateWindowMs: 60_000 }));
      equal(
        (await stage.state()).config.duplicateWindowMs,
        30_000,
        "the window, of less that is kept",
      );
    },
  ),

  staged("a stream that is not there is undefined, and so is its consumer", async (stage) => {
    equal(await stage.a.admin.stream(stage.name), undefined, "the stream");
    equal(await stage.a.admin.consumer(stage.name, "c1"), undefined, "its consumer");
    await rejects("STREAM_NOT_FOUND", () => stage.a.store.read(stage.name, 1, ">"));
    await rejects("STREAM_NOT_FOUND", () => stage.a.store.remove(stage.name, 1));
    await stage.stream();
    equal(await stage.a.admin.consumer(stage.name, "c1"), undefined, "a consumer");
  }),

  staged("streamOf() names the stream that stores a subject", async (stage) => {
    const { a, name, subject } = stage;
    await stage.stream({ subjects: [`${subject}.a.>`, `${subject}.b`] });
    equal(await a.admin.streamOf(`${subject}.a.b.c`), name, "of one under a wildcard");
    equal(await a.admin.streamOf(`${subject}.b`), name, "of one that is exact");
    equal(await a.admin.streamOf(`${subject}.a`), undefined, "of one that is too short");
    equal(await a.admin.streamOf(`${subject}.c`), undefined, "of another");
  }),

  staged("making a stream again is no fault, unless a setting differs", async (stage) => {
    const { a, b, subject } = stage;
    const subjects = [`${subject}.>`, `${subject}`];
    await stage.stream({ subjects });
    await stage.put("a");
    await b.admin.createStream(stage.config({ subjects: subjects.toReversed() }));
    const only = stage.config({ subjects: [`${subject}.>`] });
    await rejects("CONFLICT", () => a.admin.createStream(only));
    await a.admin.updateStream(only);
    equal((await stage.state()).messages, 1, "messages");
    for (const other of [{ maxMessages: 5 }, { discard: "new" }, { maxAgeMs: 60_000 }] as const) {
      const error = await rejects("CONFLICT", () => a.admin.createStream(stage.config(other)));
      equal(error.name, "ConflictError", "the error");
    }
    includes((await stage.state()).config, stage.config(), "the settings");
  }),

  staged("a subject of another stream is refused with a ConflictError", async (stage) => {
    const { a, name, subject } = stage;
    await stage.stream({ subjects: [`${subject}.a.*`] });
    for (
      const subjects of [[`${subject}.a.b`], [`${subject}.c`, `${subject}.*.b`], [`${subject}.>`]]
    ) {
      const other = stage.config({ name: `${name}_2`, subjects });
      await rejects("CONFLICT", () => a.admin.createStream(other));
    }
    equal(await a.admin.stream(`${name}_2`), undefined, "the other stream");
    const apart = stage.config({ name: `${name}_2`, subjects: [`${subject}.b.*`, `${subject}.a`] });
    await a.admin.createStream(apart);
    const over = { ...apart, subjects: [`${subject}.b.*`, `${subject}.a.c`] };
    await rejects("CONFLICT", () => a.admin.updateStream(over));
    equal(await a.admin.streamOf(`${subject}.b.c`), `${name}_2`, "the stream of the other subject");
  }),

  staged("updateStream() changes what may be changed", async (stage) => {
    await stage.stream();
    await stage.putNumbers(4);
    await stage.put("old");
    const { subject } = stage;
    const changes: Partial<StreamConfig> = {
      description: "changed",
      subjects: [`${subject}.n`, `${subject}.new`],
      discard: "new",
      maxAgeMs: 3_600_000,
      maxMessages: 7,
      maxMessagesPerSubject: 6,
      maxBytes: 1_000_000,
      maxMessageBytes: 10_000,
      duplicateWindowMs: 30_000,
    };
    await stage.a.admin.updateStream(stage.config(changes));
    const { config, messages } = await stage.state();
    includes(config, stage.config(changes), "the settings");
    equal(messages, 5, "messages");
    await stage.put("new");
    await rejects("STREAM_NOT_FOUND", () => stage.put("old"));
    await stage.put("new");
    await rejects("QUEUE_FULL", () => stage.put("new"));
  }),

  staged("a limit that is lowered counts at once", async (stage) => {
    await stage.stream();
    await stage.putNumbers(10);
    await stage.a.admin.updateStream(stage.config({ maxMessages: 4 }));
    await stage.until("four are left", async () => (await stage.state()).messages === 4);
    equal((await stage.state()).firstSequence, 7, "the first");
  }),

  staged("updateStream() refuses what cannot be changed with a ConflictError", async (stage) => {
    const { a } = stage;
    await rejects("STREAM_NOT_FOUND", () => a.admin.updateStream(stage.config()));
    await stage.stream();
    for (const other of [{ storage: "file" }, { retention: "workqueue" }] as const) {
      const error = await rejects("CONFLICT", () => a.admin.updateStream(stage.config(other)));
      equal(error.name, "ConflictError", "the error");
    }
    includes((await stage.state()).config, stage.config(), "the settings");
  }),

  staged("read() gives the next message at a sequence that its filter fits", async (stage) => {
    const { a, name, subject } = stage;
    await stage.stream();
    for (const token of ["a.1", "b.1", "a.2", "c", "a.1.x"]) await stage.put(token);
    const found = async (sequence: number, filter: string) =>
      (await a.store.read(name, sequence, filter))?.sequence;
    equal(await found(1, ">"), 1, "any, from 1");
    equal(await found(4, `${subject}.>`), 4, "any of the case, from 4");
    equal(await found(6, ">"), undefined, "any, from 6");
    equal(await found(1, `${subject}.a.2`), 3, "an exact one, from 1");
    equal(await found(3, `${subject}.a.2`), 3, "an exact one, from where it is");
    equal(await found(4, `${subject}.a.2`), undefined, "an exact one, after it");
    equal(await found(2, `${subject}.a.*`), 3, "one token, from 2");
    equal(await found(4, `${subject}.a.*`), undefined, "one token, from 4");
    equal(await found(4, `${subject}.a.>`), 5, "one or more tokens, from 4");
    equal(await found(2, `${subject}.*.1`), 2, "a token in between, from 2");
    equal(await found(1, `${subject}.d`), undefined, "one that is not there");
  }),

  staged("read() says when a message was stored, on the broker's clock", async (stage) => {
    const { a, name } = stage;
    await stage.stream();
    await stage.put("a");
    await stage.pause(100);
    await stage.put("b");
    const one = await a.store.read(name, 1, ">");
    const two = await a.store.read(name, 2, ">");
    const apart = two!.storedAt - one!.storedAt;
    holds(apart >= 90 && apart < 10_000, `they were stored ${apart} ms apart`);
    holds(Math.abs(stage.clock.now() - two!.storedAt) < 60_000, `stored at ${two!.storedAt}`);
  }),

  staged("remove() removes one message, once", async (stage) => {
    const { a, b, name } = stage;
    await stage.stream();
    await stage.putNumbers(4);
    equal(await a.store.remove(name, 2), true, "the first time");
    equal(await b.store.remove(name, 2), false, "the second time");
    equal(await b.store.remove(name, 9), false, "one that has never been");
    equal((await a.store.read(name, 2, ">"))?.sequence, 3, "the next");
    equal((await stage.state()).messages, 3, "messages");
    equal(await a.store.remove(name, 1), true, "the oldest");
    equal((await stage.state()).firstSequence, 3, "the oldest that is left");
    for (const sequence of [3, 4]) await a.store.remove(name, sequence);
    const { messages, bytes, firstSequence, lastSequence } = await stage.state();
    equal([messages, bytes, firstSequence, lastSequence], [0, 0, 5, 4], "when nothing is left");
    includes(await stage.put("a"), { sequence: 5 }, "the next");
  }),

  staged("a consumer is as it was made", async (stage) => {
    const { b, name, subject } = stage;
    await stage.stream();
    await stage.putNumbers(4);
    const froms: DeliverFrom[] = ["new", "all", { sequence: 3 }, { time: 1_600_000_000_123 }];
    for (const [index, from] of froms.entries()) {
      const config = stage.consumerConfig({
        name: `c${index}`,
        description: `from ${index}, grün`,
        filter: `${subject}.*`,
        from,
        ackWaitMs: 12_000,
        maxAckPending: 77,
        inactiveThresholdMs: index === 0 ? 0 : 45_000,
      });
      await stage.consumer(config);
      const state = await b.admin.consumer(name, config.name);
      includes(state!.config, config, `consumer ${index}`);
      equal([state!.pending, state!.ackPending], [[0, 4, 2, 4][index], 0], `pending of ${index}`);
    }
  }),

  staged("putConsumer() again changes what may be changed, and keeps its place", async (stage) => {
    await stage.stream();
    await stage.consumer();
    await stage.putNumbers(3);
    const taken = stage.take(2, (delivery) => delivery.ack());
    await stage.bodies(taken, 2);
    await taken.pull.settled(5_000);
    await stage.consumer();
    const changes = { ackWaitMs: 5_000, maxAckPending: 9, description: "changed" };
    await stage.consumer(changes);
    const { config, pending, ackFloor } = await stage.place();
    includes(config, stage.consumerConfig(changes), "the settings");
    equal([pending, ackFloor], [1, 2], "pending and acknowledged");
    taken.pull.ask(1);
    equal(await stage.bodies(taken, 3), ["0", "1", "2"], "what is delivered");
  }),

  staged("putConsumer() refuses what cannot be changed with a ConflictError", async (stage) => {
    await stage.stream();
    await stage.consumer();
    const error = await rejects("CONFLICT", () => stage.consumer({ from: "new" }));
    equal(error.name, "ConflictError", "the error");
    await rejects("CONFLICT", () => stage.consumer({ from: { sequence: 7 } }));
    includes((await stage.place()).config, stage.consumerConfig(), "the settings");
  }),

  staged("a consumer of a stream that is not there is refused", async (stage) => {
    await rejects("STREAM_NOT_FOUND", () => stage.consumer());
  }),

  staged("deleteConsumer() removes a consumer, once", async (stage) => {
    const { a, b, name } = stage;
    equal(await a.admin.deleteConsumer(name, "c1"), false, "where there is no stream");
    await stage.stream();
    await stage.consumer();
    equal(await a.admin.deleteConsumer(name, "c1"), true, "the first time");
    equal(await b.admin.deleteConsumer(name, "c1"), false, "the second time");
    equal(await a.admin.consumer(name, "c1"), undefined, "what is left");
  }),
];
