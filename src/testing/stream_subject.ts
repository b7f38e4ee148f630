// The contract of streams, fifth part: messages of one subject, of which some are kept, and the last may be expected.

import type { ConflictError } from "../domain/error.ts";
import type { PublishAck } from "../ports/stream.ts";
import { equal, rejects } from "./contract_tools.ts";
import { includes, type Stage, staged, type TimedCase } from "./stream_tools.ts";

/** Publishes to a subject whose last message must have a sequence, 0 for none. */
function putAfter(
  stage: Stage,
  expected: number | string,
  token: string,
  id?: string,
): Promise<PublishAck> {
  return stage.put(token, `after ${expected}`, {
    "Nats-Expected-Last-Subject-Sequence": String(expected),
    ...(id === undefined ? {} : { "Nats-Msg-Id": id }),
  });
}

/** How many of some attempts were stored; the others must be conflicts. */
async function stored(attempts: readonly Promise<PublishAck>[]): Promise<number> {
  const ends = await Promise.allSettled(attempts);
  const failed = ends.filter((end) => end.status === "rejected").map(({ reason }) => reason);
  for (const reason of failed) await rejects("CONFLICT", () => Promise.reject(reason));
  return ends.length - failed.length;
}

/** Cases of what is kept and expected of one subject, and of buckets. */
export const streamSubject: readonly TimedCase[] = [
  staged("of a subject no more are kept than maxMessagesPerSubject, the newest", async (stage) => {
    await stage.stream({ maxMessagesPerSubject: 2 });
    for (const token of ["a", "a", "b", "a", "c", "a"]) await stage.put(token);
    const { messages, firstSequence, lastSequence } = await stage.state();
    equal([messages, firstSequence, lastSequence], [4, 3, 6], "messages, first and last");
    await stage.consumer();
    const taken = stage.take(10);
    equal(await stage.bodies(taken, 4), ["b", "a", "c", "a"], "what is delivered");
  }),

  staged("what gives way to a newer one of its subject is not delivered again", async (stage) => {
    await stage.stream({ maxMessagesPerSubject: 1 });
    await stage.consumer({ ackWaitMs: 1_000 });
    await stage.put("a", "old");
    await stage.put("b", "other");
    const taken = stage.take(10, ({ sequence }) => {
      if (sequence === 1) void stage.put("a", "new");
    });
    await stage.until("all are delivered again", () => taken.bodies.length >= 5);
    equal(taken.bodies.slice(0, 3), ["old", "other", "new"], "what is delivered");
    equal(taken.bodies.slice(3, 5).sort(), ["new", "other"], "what is delivered again");
  }),

  staged(
    "a stream that discards what is new has room for what replaces its like",
    async (stage) => {
      await stage.stream({ discard: "new", maxMessages: 2, maxMessagesPerSubject: 1 });
      await stage.put("a");
      await stage.put("b");
      await rejects("QUEUE_FULL", () => stage.put("c"));
      includes(await stage.put("a"), { sequence: 3 }, "one that replaces another");
      const { messages, firstSequence } = await stage.state();
      equal([messages, firstSequence], [2, 2], "messages and first");
      await rejects("QUEUE_FULL", () => stage.put("c"));
    },
  ),

  staged(
    "in a stream full by its bytes what replaces its like must not be larger",
    async (stage) => {
      await stage.stream({ discard: "new", maxBytes: 3_000, maxMessagesPerSubject: 1 });
      for (const token of ["a", "b"]) await stage.put(token, "x".repeat(1_000));
      await rejects("QUEUE_FULL", () => stage.put("a", "x".repeat(1_500)));
      includes(await stage.put("a", "x".repeat(1_000)), { sequence: 3 }, "one as large");
    },
  ),

  staged("a lower maxMessagesPerSubject counts at once", async (stage) => {
    await stage.stream({ maxMessagesPerSubject: 3 });
    for (const token of ["a", "b", "a", "b", "a", "b", "c"]) await stage.put(token);
    await stage.a.admin.updateStream(stage.config({ maxMessagesPerSubject: 1 }));
    await stage.until("three are left", async () => (await stage.state()).messages === 3);
    equal((await stage.state()).firstSequence, 5, "the first");
    await rejects(
      "CONFLICT",
      () => stage.a.admin.createStream(stage.config({ maxMessagesPerSubject: 2 })),
    );
  }),

  staged(
    "last() gives the newest of a subject, and undefined of one that has none",
    async (stage) => {
      const { b, name, subject } = stage;
      const last = async (token: string) => await b.store.last(name, `${subject}.${token}`);
      await rejects("STREAM_NOT_FOUND", () => last("a"));
      await stage.stream();
      equal(await last("a"), undefined, "of one that has none");
      await stage.put("a", "1", { h: "grün" });
      await stage.put("a.b", "2");
      await stage.put("a", "3", { h: "1" });
      await stage.put("b", "4");
      const found = await last("a");
      includes(found!, { subject: `${subject}.a`, sequence: 3 }, "the newest");
      equal(
        [new TextDecoder().decode(found!.data), found!.headers.h],
        ["3", "1"],
        "body and header",
      );
      equal(found!.storedAt, (await b.store.read(name, 3, ">"))?.storedAt, "when it was stored");
      await stage.a.store.remove(name, 3);
      equal((await last("a"))?.sequence, 1, "when the newest is removed");
      equal((await last("a"))?.headers.h, "grün", "its header");
      await stage.a.store.remove(name, 1);
      equal(await last("a"), undefined, "when all are removed");
      equal((await last("a.b"))?.sequence, 2, "of another");
    },
  ),

  staged(
    "a message that is expected to be the first of its subject is stored once",
    async (stage) => {
      await stage.stream();
      await stage.put("other");
      includes(await putAfter(stage, 0, "a"), { sequence: 2 }, "the first");
      const error = await rejects("CONFLICT", () => putAfter(stage, 0, "a")) as ConflictError;
      equal(
        [error.name, error.details.sequence],
        ["ConflictError", 2],
        "the error, and what is last",
      );
      includes(await putAfter(stage, 0, "b"), { sequence: 3 }, "the first of another");
      equal((await stage.state()).messages, 3, "messages");
      await stage.a.store.remove(stage.name, 2);
      includes(await putAfter(stage, 0, "a"), { sequence: 4 }, "when it was removed");
    },
  ),

  staged("a message is stored when the last of its subject is the expected one", async (stage) => {
    await stage.stream({ maxMessagesPerSubject: 1 });
    await stage.put("a");
    await stage.put("b");
    includes(await putAfter(stage, 1, "a"), { sequence: 3 }, "the next");
    // Neither one that was, nor the last of the stream, nor one that will be.
    await stage.put("b");
    for (const expected of [1, 4, 5, 0]) {
      const error = await rejects("CONFLICT", () => putAfter(stage, expected, "a"));
      equal(
        (error as ConflictError).details.sequence,
        3,
        `the last, where ${expected} is expected`,
      );
    }
    const none = await rejects("CONFLICT", () => putAfter(stage, 3, "c"));
    equal((none as ConflictError).details.sequence, 0, "the last, where there is none");
    includes(await putAfter(stage, 3, "a"), { sequence: 5 }, "the next but one");
  }),

  staged("of many who expect the same last sequence one is stored", async (stage) => {
    const { name, subject, a, b } = stage;
    await stage.stream({ maxMessagesPerSubject: 1 });
    for (let round = 0; round < 5; round++) {
      const last = (await a.store.last(name, `${subject}.a`))?.sequence ?? 0;
      const header = { "Nats-Expected-Last-Subject-Sequence": String(last) };
      const attempts = Array.from(
        { length: 10 },
        (_, i) => (i % 2 === 0 ? a : b).store.publish(`${subject}.a`, String(i), header, 10_000),
      );
      equal(await stored(attempts), 1, `how many of round ${round} were stored`);
    }
    equal((await stage.state()).lastSequence, 5, "the last");
  }),

  staged("what is refused for its expected sequence leaves its id unknown", async (stage) => {
    await stage.stream();
    await stage.put("a");
    await rejects("CONFLICT", () => putAfter(stage, 7, "a", "1"));
    includes(await putAfter(stage, 1, "a", "1"), { sequence: 2, duplicate: false }, "the next");
  }),

  staged(
    "one with an id and an expected sequence that comes again is stored once",
    async (stage) => {
      await stage.stream();
      includes(await putAfter(stage, 0, "a", "1"), { sequence: 1, duplicate: false }, "the first");
      // Some servers look at the id first, and some at the sequence.
      const again = await putAfter(stage, 0, "a", "1").catch((error) => error);
      if (again instanceof Error) await rejects("CONFLICT", () => Promise.reject(again));
      else includes(again, { sequence: 1, duplicate: true }, "the second");
      equal((await stage.state()).messages, 1, "messages");
    },
  ),

  staged("a full stream says of what is not expected that it is a conflict", async (stage) => {
    await stage.stream({ discard: "new", maxMessages: 1 });
    await stage.put("a");
    await rejects("CONFLICT", () => putAfter(stage, 9, "b"));
    await rejects("QUEUE_FULL", () => putAfter(stage, 0, "b"));
  }),

  staged("in a bucket nothing is removed by its sequence, and it stays one", async (stage) => {
    const { a, name } = stage;
    await stage.stream({ bucket: true, maxMessagesPerSubject: 1 });
    equal((await stage.state()).config.bucket, true, "whether it is a bucket");
    await stage.put("a");
    equal(await a.store.remove(name, 1), false, "whether it is removed");
    equal((await stage.state()).messages, 1, "messages");
    const none = stage.config({ maxMessagesPerSubject: 1 });
    await rejects("CONFLICT", () => a.admin.createStream(none));
    await rejects("CONFLICT", () => a.admin.updateStream(none));
    equal((await stage.state()).config.bucket, true, "whether it is one still");
    includes(await stage.put("a"), { sequence: 2 }, "the next");
  }),

  staged("in a bucket a message may take the place of all of its subject", async (stage) => {
    await stage.stream({ bucket: true, maxMessagesPerSubject: 5 });
    for (const token of ["a", "b", "a", "b"]) await stage.put(token);
    includes(await stage.put("a", "", { "Nats-Rollup": "sub" }), { sequence: 5 }, "the new one");
    const { messages, firstSequence } = await stage.state();
    equal([messages, firstSequence], [3, 2], "messages and first");
    await stage.put("a");
    equal((await stage.state()).messages, 4, "messages, with one more");
  }),

  staged("a stream takes messages for later where the broker has such", async (stage) => {
    const { a } = stage;
    await stage.stream({ schedules: true });
    const schedules = a.store.publishLater !== undefined;
    equal((await stage.state()).config.schedules, schedules, "whether it does");
    await a.admin.createStream(stage.config({ schedules: true }));
    includes(await stage.put("a"), { sequence: 1 }, "one for now");
  }),
];
