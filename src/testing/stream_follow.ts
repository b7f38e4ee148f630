// The contract of streams, seventh part: following one, from what is there to what comes.

import type { FollowFrom } from "../ports/stream.ts";
import { equal, holds, rejects } from "./contract_tools.ts";
import type { TimedCase } from "./stream_tools.ts";
import { caughtUp, follow, toldOf, viewed } from "./stream_view_tools.ts";

/** Cases of what is followed. */
export const streamFollow: readonly TimedCase[] = [
  viewed(
    "who follows gets the last message of each subject, then the word that this is all, then what comes",
    async (stage) => {
      await stage.stream({ maxMessagesPerSubject: 2 });
      for (const token of ["a", "b", "a.b", "a"]) await stage.put(token, `old ${token}`);
      await stage.put("a", "1");
      const followed = follow(stage);
      await caughtUp(stage, followed);
      await stage.put("b", "2");
      await stage.put("c", "3");
      equal(
        await toldOf(stage, followed, 6),
        ["b=old b", "a.b=old a.b", "a=1", "|", "b=2", "c=3"],
        "what is told",
      );
      equal(followed.got.map(({ sequence }) => sequence), [2, 3, 5, 6, 7], "the sequences");
    },
  ),

  viewed("a message that is followed is the one that is read", async (stage) => {
    const { a, name, subject } = stage;
    await stage.stream();
    const body = Uint8Array.from({ length: 300 }, (_, i) => i % 256);
    await stage.put("a.grün", body, { "X-One": "grün", "x-two": " 2 " });
    await stage.put("b", "");
    const followed = follow(stage);
    await caughtUp(stage, followed);
    const [one, two] = followed.got;
    const read = await a.store.read(name, 1, ">");
    equal(one!.subject, `${subject}.a.grün`, "the subject");
    equal([...one!.data], [...body], "the body");
    equal(one!.headers, { "X-One": "grün", "x-two": "2" }, "the headers");
    equal(one!.headers, read!.headers, "the headers, as they are read");
    equal([one!.sequence, one!.storedAt], [1, read!.storedAt], "its number and its time");
    equal([two!.data.length, two!.headers], [0, {}], "one that is empty");
  }),

  viewed("of an empty stream all has come at once, and then what comes", async (stage) => {
    await stage.stream();
    const followed = follow(stage);
    await caughtUp(stage, followed);
    await stage.put("a");
    equal(await toldOf(stage, followed, 2), ["|", "a=a"], "what is told");
  }),

  viewed("from what is new on nothing comes that was there", async (stage) => {
    await stage.stream();
    await stage.putNumbers(3);
    const followed = follow(stage, { from: "new" });
    await caughtUp(stage, followed);
    await stage.put("n", "4");
    equal(await toldOf(stage, followed, 2), ["|", "n=4"], "what is told");
  }),

  viewed(
    "from a sequence on all comes, and what comes where nothing is there yet",
    async (stage) => {
      await stage.stream();
      await stage.putNumbers(4, 1);
      const cases: [FollowFrom, string[]][] = [
        [{ sequence: 1 }, ["n=1", "n=2", "n=3", "n=4", "|", "n=5"]],
        [{ sequence: 4 }, ["n=4", "|", "n=5"]],
        [{ sequence: 5 }, ["|", "n=5"]],
        [{ sequence: 100 }, ["|", "n=5"]],
      ];
      const all = cases.map(([from]) => follow(stage, { from }));
      await caughtUp(stage, ...all);
      await stage.put("n", "5");
      for (const [index, [from, told]] of cases.entries()) {
        equal(await toldOf(stage, all[index]!, told.length), told, `from ${JSON.stringify(from)}`);
      }
    },
  ),

  viewed("a filter says what is followed", async (stage) => {
    const { subject } = stage;
    await stage.stream();
    for (const token of ["a.1", "b.1", "a.1.x", "c"]) await stage.put(token, "old");
    const cases: [string, string[]][] = [
      [">", ["a.1=old", "b.1=old", "a.1.x=old", "c=old", "|", "a.1=new", "c=new", "d=new"]],
      [`${subject}.*.1`, ["a.1=old", "b.1=old", "|", "a.1=new"]],
      [`${subject}.a.>`, ["a.1=old", "a.1.x=old", "|", "a.1=new"]],
      [`${subject}.c`, ["c=old", "|", "c=new"]],
      [`${subject}.d`, ["|", "d=new"]],
    ];
    const all = cases.map(([filter]) => follow(stage, { filter }));
    await caughtUp(stage, ...all);
    for (const token of ["a.1", "c", "d"]) await stage.put(token, "new");
    for (const [index, [filter, told]] of cases.entries()) {
      equal(await toldOf(stage, all[index]!, told.length), told, filter);
    }
  }),

  viewed("bodies are left out where none are wanted", async (stage) => {
    await stage.stream();
    await stage.put("a", "one", { h: "1" });
    const followed = follow(stage, { headersOnly: true });
    await caughtUp(stage, followed);
    await stage.put("b", "two", { h: "2" });
    equal(await toldOf(stage, followed, 3), ["a=", "|", "b="], "what is told");
    equal(followed.got.map(({ headers }) => headers.h), ["1", "2"], "the headers");
  }),

  viewed(
    "it began between what was stored before and after, on the broker's clock",
    async (stage) => {
      const { a, name } = stage;
      await stage.stream();
      await stage.put("a");
      await stage.pause(20);
      const { follow: { began } } = follow(stage);
      const at = await began;
      await stage.pause(20);
      await stage.put("b");
      const [before, after] = [await a.store.read(name, 1, ">"), await a.store.read(name, 2, ">")];
      holds(before!.storedAt < at && at < after!.storedAt, `${at} is between the two`);
    },
  ),

  viewed(
    "many followers on several connections all get everything, each once and in order",
    async (stage) => {
      const { a, b } = stage;
      await stage.stream();
      const bodies = Array.from({ length: 600 }, (_, i) => `n=${i}`);
      await stage.putNumbers(200);
      const all = [a, b, a, b].map((streams) => follow(stage, { from: { sequence: 1 } }, streams));
      await stage.putNumbers(400, 200);
      for (const followed of all) {
        await stage.until("all have come", () => followed.got.length >= 600);
        await stage.until("it is said", () => followed.told.includes("|"));
        const told = await toldOf(stage, followed, 601);
        holds(told.indexOf("|") >= 200, `what was there came first, ${told.indexOf("|")} messages`);
        equal(told.filter((one) => one !== "|"), bodies, "what came");
        equal(followed.lost, [], "what was lost");
      }
    },
  ),

  viewed("what changes all the time is there when all has come", async (stage) => {
    await stage.stream({ maxMessagesPerSubject: 1 });
    const tokens = Array.from({ length: 50 }, (_, i) => `k${i}`);
    const putAll = () => Promise.all(tokens.map((token) => stage.put(token)));
    await putAll();
    let open = true;
    const putting = (async () => {
      while (open) await putAll();
    })();
    try {
      for (let round = 0; round < 5; round++) {
        const followed = follow(stage, {}, stage.b);
        await caughtUp(stage, followed);
        const then = new Set(followed.told.slice(0, followed.told.indexOf("|")));
        equal(tokens.filter((token) => !then.has(`${token}=${token}`)), [], "what was not there");
        followed.follow.stop();
      }
    } finally {
      open = false;
      await putting;
    }
  }),

  viewed("what is removed before it came is missed by nobody", async (stage, view) => {
    const { a, name, subject } = stage;
    await stage.stream();
    for (const token of ["a", "b", "c"]) await stage.put(token);
    const followed = follow(stage);
    await caughtUp(stage, followed);
    await view.purge(name, { filter: `${subject}.b` });
    await a.store.remove(name, 3);
    await stage.put("d");
    equal(await toldOf(stage, followed, 5), ["a=a", "b=b", "c=c", "|", "d=d"], "what is told");
    const later = follow(stage, { from: { sequence: 1 } });
    equal(await toldOf(stage, later, 3), ["a=a", "d=d", "|"], "what is told later");
    equal(followed.lost.length, 0, "how often it was lost");
  }),

  viewed("after stop() nothing comes, and the broker keeps nothing of it", async (stage) => {
    const { a, name } = stage;
    await stage.stream();
    const followed = follow(stage, {
      onMessage: ({ sequence }) => sequence === 2 && followed.follow.stop(),
    });
    await caughtUp(stage, followed);
    await stage.putNumbers(5);
    equal(await toldOf(stage, followed, 3), ["|", "n=0", "n=1"], "what is told");
    await stage.until(
      "no consumer is left",
      async () => (await a.admin.consumers(name)).length === 0,
    );
    equal(followed.lost.length, 0, "how often it was lost");
    const early = follow(stage);
    early.follow.stop();
    early.follow.stop();
    await rejects("CLOSED", () => early.follow.began);
    await stage.quiet();
    equal([early.told, early.lost], [[], []], "what is told when it was stopped at once");
    await stage.until(
      "no consumer is left",
      async () => (await a.admin.consumers(name)).length === 0,
    );
  }),

  viewed("what a listener throws is of no consequence", async (stage) => {
    await stage.stream();
    await stage.put("a");
    const fail = () => {
      throw new Error("a listener that throws");
    };
    const followed = follow(stage, { onMessage: fail, onCaughtUp: fail });
    await caughtUp(stage, followed);
    await stage.put("b");
    equal(await toldOf(stage, followed, 3), ["a=a", "|", "b=b"], "what is told");
  }),

  viewed("a stream that is not there is lost at once, which is said once", async (stage) => {
    const followed = follow(stage);
    equal(followed.lost, [], "what is said while it is called");
    await stage.until("it is said", () => followed.lost.length > 0);
    await rejects("STREAM_NOT_FOUND", () => Promise.reject(followed.lost[0]));
    await rejects("STREAM_NOT_FOUND", () => followed.follow.began);
    await stage.stream();
    await stage.put("a");
    await stage.quiet();
    equal([followed.told, followed.lost.length], [[], 1], "what is told");
  }),

  viewed(
    "a stream that is removed is lost, and one that is made anew is another",
    async (stage) => {
      await stage.stream();
      await stage.put("a");
      const followed = follow(stage);
      await caughtUp(stage, followed);
      await stage.remove(stage.name);
      await stage.stream();
      await stage.put("b");
      await stage.until("it is said", () => followed.lost.length > 0);
      await stage.quiet();
      equal([followed.told, followed.lost.length], [["a=a", "|"], 1], "what is told");
      const again = follow(stage);
      equal(await toldOf(stage, again, 2), ["b=b", "|"], "what is told of the other");
    },
  ),

  viewed("a connection that closes loses what is followed over it", async (stage) => {
    await stage.stream();
    await stage.put("a");
    const [here, there] = [follow(stage, {}, stage.a), follow(stage, {}, stage.b)];
    await caughtUp(stage, here, there);
    await stage.first.close();
    await stage.until("it is said", () => here.lost.length > 0);
    await rejects("CLOSED", () => Promise.reject(here.lost[0]));
    const later = follow(stage, {}, stage.a);
    await stage.until("it is said at once", () => later.lost.length > 0);
    await rejects("CLOSED", () => later.follow.began);
    await stage.b.store.publish(`${stage.subject}.b`, "b", {}, 10_000);
    equal(await toldOf(stage, there, 3), ["a=a", "|", "b=b"], "what is told over the other");
    equal([here.told, here.lost.length], [["a=a", "|"], 1], "what is told over the closed one");
    equal(there.lost.length, 0, "how often the other was lost");
  }),
];
