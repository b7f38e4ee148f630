// The contract of streams, eighth part: what is purged, and the last message, asked for in the fastest way.

import { equal, rejects } from "./contract_tools.ts";
import { includes, staged, type TimedCase } from "./stream_tools.ts";
import { viewed } from "./stream_view_tools.ts";

/** Cases of purging, and of the last message. */
export const streamPurge: readonly TimedCase[] = [
  viewed("purge() removes what is of a subject, and says how much", async (stage, view) => {
    const { a, b, name, subject } = stage;
    await stage.stream({ bucket: true, maxMessagesPerSubject: 5 });
    for (const token of ["a.1", "b.1", "a.1", "a.2", "a.1.x", "c"]) await stage.put(token);
    equal(await view.purge(name, { filter: `${subject}.a.1` }), 2, "of an exact subject");
    equal(await view.purge(name, { filter: `${subject}.a.1` }), 0, "the second time");
    equal(await a.store.last(name, `${subject}.a.1`), undefined, "the last of it");
    equal(await view.purge(name, { filter: `${subject}.*.1` }), 1, "of one token");
    equal(await b.view!.purge(name, { filter: `${subject}.a.>` }), 2, "of one or more tokens");
    equal(await view.purge(name, { filter: `${subject}.d` }), 0, "of one that is not there");
    includes(
      await stage.state(),
      { messages: 1, firstSequence: 6, lastSequence: 6 },
      "what is left",
    );
    equal(await view.purge(name, { filter: ">" }), 1, "of all");
    includes(
      await stage.state(),
      { messages: 0, bytes: 0, firstSequence: 7 },
      "when nothing is left",
    );
    includes(await stage.put("a.1"), { sequence: 7 }, "the next");
  }),

  viewed("purge() removes what is before a sequence", async (stage, view) => {
    const { name, subject } = stage;
    await stage.stream();
    for (const token of ["a", "b", "a", "b", "a"]) await stage.put(token);
    for (const before of [0, 1]) {
      equal(await view.purge(name, { filter: ">", before }), 0, `before ${before}`);
    }
    equal(await view.purge(name, { filter: `${subject}.a`, before: 3 }), 1, "of one subject");
    equal(await view.purge(name, { filter: `${subject}.a`, before: 3 }), 0, "the second time");
    equal(await view.purge(name, { filter: ">", before: 4 }), 2, "of all");
    includes(
      await stage.state(),
      { messages: 2, firstSequence: 4, lastSequence: 5 },
      "what is left",
    );
    equal(await view.purge(name, { filter: `${subject}.>`, before: 100 }), 2, "of what is left");
  }),

  viewed("what is purged is not delivered, and what comes is", async (stage, view) => {
    const { name, subject } = stage;
    await stage.stream();
    await stage.consumer();
    for (const token of ["a", "b", "a"]) await stage.put(token);
    const taken = stage.take(10);
    equal(await stage.bodies(taken, 3), ["a", "b", "a"], "what is delivered before");
    await view.purge(name, { filter: `${subject}.a` });
    await stage.put("a", "new");
    equal(await stage.bodies(taken, 4), ["a", "b", "a", "new"], "what is delivered after");
    await stage.consumer({ name: "c2" });
    const other = stage.take(10, () => {}, { consumer: "c2" });
    equal(await stage.bodies(other, 2), ["b", "new"], "what another consumer is delivered");
  }),

  viewed("a stream that is not there cannot be purged", async ({ name }, view) => {
    await rejects("STREAM_NOT_FOUND", () => view.purge(name, { filter: ">" }));
    await rejects("STREAM_NOT_FOUND", () => view.purge(name, { filter: ">", before: 1 }));
  }),

  staged("last() gives the same whether any server may answer or not", async (stage) => {
    const { a, b, name, subject } = stage;
    const both = async (token: string) => {
      const [one, other] = [
        await b.store.last(name, `${subject}.${token}`),
        await b.store.last(name, `${subject}.${token}`, { direct: true, timeoutMs: 10_000 }),
      ];
      equal(other?.data && [...other.data], one?.data && [...one.data], "the body");
      const { data: _one, ...rest } = one ?? {};
      const { data: _other, ...others } = other ?? {};
      equal(others, rest, "all but the body");
      return other?.sequence;
    };
    const direct = (token: string) => a.store.last(name, `${subject}.${token}`, { direct: true });
    await rejects("STREAM_NOT_FOUND", () => direct("a"));
    await stage.stream();
    equal(await both("a"), undefined, "of one that has none");
    await stage.put("a", Uint8Array.from({ length: 256 }, (_, i) => i), { One: "grün", two: "2" });
    equal(await both("a"), 1, "one with headers");
    await stage.put("a", "3");
    await stage.put("a.b", "", { "Nats-Sequence": "7" });
    equal([await both("a"), await both("a.b")], [2, 3], "the newest of each");
    await stage.a.store.remove(name, 2);
    equal(await both("a"), 1, "when the newest is removed");
    await a.admin.updateStream(stage.config({ direct: false }));
    equal([await both("a"), await both("b")], [1, undefined], "where only the leader may answer");
    equal((await stage.state()).config.direct, false, "whether any server may answer");
    await a.admin.updateStream(stage.config());
    equal([await both("a"), await both("a.b")], [1, 3], "where any server may again");
  }),
];
