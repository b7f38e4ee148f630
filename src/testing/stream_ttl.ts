// The contract of streams, ninth part: messages with an end of their own, and the markers that they leave.

import type { StreamConfig } from "../ports/stream.ts";
import { equal, holds, rejects } from "./contract_tools.ts";
import { includes, type Stage, type TimedCase } from "./stream_tools.ts";
import { caughtUp, follow, toldOf, viewed } from "./stream_view_tools.ts";

/** A case for brokers that end messages. */
function ending(name: string, check: (stage: Stage) => Promise<void>): TimedCase {
  return viewed(name, async (stage, { hasMessageTtl }) => {
    if (hasMessageTtl) await check(stage);
  });
}

/** Makes a stream whose messages may end, of whose subjects the last message is kept. */
function bucket(stage: Stage, settings: Partial<StreamConfig> = {}): Promise<void> {
  return stage.stream({ maxMessagesPerSubject: 1, messageTtl: true, bucket: true, ...settings });
}

/** Publishes a message that ends by itself. */
function putFor(stage: Stage, ttl: string, token: string, body = token): Promise<unknown> {
  return stage.put(token, body, { "Nats-TTL": ttl });
}

/** Whether the last message of a subject is a marker. */
async function isMarked({ a, name, subject }: Stage, token: string): Promise<boolean> {
  const last = await a.store.last(name, `${subject}.${token}`);
  return last?.headers["Nats-Marker-Reason"] !== undefined && last.data.length === 0;
}

/** Cases of messages that end. */
export const streamTtl: readonly TimedCase[] = [
  viewed(
    "messages of a stream end by themselves where the broker has such",
    async (stage, view) => {
      const { a } = stage;
      await bucket(stage);
      equal((await stage.state()).config.messageTtl, view.hasMessageTtl, "whether they do");
      await a.admin.createStream(
        stage.config({ ...(await stage.state()).config, messageTtl: true }),
      );
      includes(await putFor(stage, "60s", "a") as object, { sequence: 1 }, "one that does");
      includes(await stage.put("b"), { sequence: 2 }, "one that does not");
    },
  ),

  ending(
    "a message ends when its time is over, and leaves a marker, which is followed",
    async (stage) => {
      await bucket(stage);
      const followed = follow(stage);
      await caughtUp(stage, followed);
      const began = stage.clock.monotonic();
      await putFor(stage, "1s", "a");
      await stage.put("b");
      await stage.until("the marker has come", () => followed.got.length === 3);
      const tookMs = stage.clock.monotonic() - began;
      holds(tookMs >= 990 && tookMs < 5_000, `it took ${tookMs} ms`);
      equal(await toldOf(stage, followed, 4), ["|", "a=a", "b=b", "a="], "what is told");
      const { sequence, headers } = followed.got[2]!;
      equal([sequence, headers["Nats-Marker-Reason"]], [3, "MaxAge"], "the marker");
      equal(await isMarked(stage, "a"), true, "whether it is the last");
      equal((await stage.state()).messages, 2, "messages");
    },
  ),

  ending("a message that replaces another has its own time, or none", async (stage) => {
    await bucket(stage);
    for (const token of ["longer", "endless", "shorter"]) await putFor(stage, "2s", token, "old");
    await putFor(stage, "60s", "longer");
    await stage.put("endless");
    await putFor(stage, "1s", "shorter");
    await putFor(stage, "2s", "same");
    await stage.until("it ended", () => isMarked(stage, "shorter"));
    equal(await isMarked(stage, "same"), false, "whether another one did");
    await stage.until("the other ended", () => isMarked(stage, "same"));
    await stage.pause(500);
    for (const token of ["longer", "endless"]) {
      equal(await isMarked(stage, token), false, `whether ${token} ended`);
    }
    equal((await stage.state()).messages, 4, "messages");
  }),

  ending("a marker gives way to what comes after it, which expects it", async (stage) => {
    const { a, name, subject } = stage;
    await bucket(stage);
    await putFor(stage, "1s", "a");
    await stage.until("it ended", () => isMarked(stage, "a"));
    const expect = (sequence: number) => ({ "Nats-Expected-Last-Subject-Sequence": `${sequence}` });
    await rejects("CONFLICT", () => stage.put("a", "new", expect(1)));
    await rejects("CONFLICT", () => stage.put("a", "new", expect(0)));
    includes(await stage.put("a", "new", expect(2)), { sequence: 3 }, "the next");
    equal((await a.store.last(name, `${subject}.a`))?.sequence, 3, "the last");
    equal((await stage.state()).messages, 1, "messages");
  }),

  ending("where an older message of the subject is kept it is the last again", async (stage) => {
    const { a, name, subject } = stage;
    await bucket(stage, { maxMessagesPerSubject: 5 });
    await stage.put("a", "old");
    await putFor(stage, "1s", "a", "new");
    await putFor(stage, "1s", "b", "older");
    await putFor(stage, "1s", "b", "newer");
    const last = async (token: string) => await a.store.last(name, `${subject}.${token}`);
    await stage.until("it ended", async () => (await last("a"))?.sequence === 1);
    await stage.until("both ended", async () => (await last("b"))?.sequence === 5);
    equal((await last("b"))?.headers["Nats-Marker-Reason"], "MaxAge", "the marker");
    equal((await stage.state()).messages, 2, "messages");
  }),

  ending("what is too old leaves a marker too, unless it never ends", async (stage) => {
    await bucket(stage, { maxAgeMs: 1_500, duplicateWindowMs: 1_500 });
    const followed = follow(stage, { headersOnly: true });
    await caughtUp(stage, followed);
    await stage.put("old");
    await putFor(stage, "60s", "later");
    await putFor(stage, "never", "never");
    await stage.until("markers have come", () => followed.got.length === 5);
    const marked = followed.got.slice(3).map(({ subject }) => subject).sort();
    equal(marked, [`${stage.subject}.later`, `${stage.subject}.old`], "what has markers");
    await stage.until("they are gone", async () => (await stage.state()).messages === 1);
    equal(followed.got.length, 5, "how many came");
  }),

  ending("what is purged leaves no marker, at once or later", async (stage) => {
    const { a, name, subject } = stage;
    await bucket(stage);
    await putFor(stage, "1s", "a");
    await putFor(stage, "1s", "b");
    await a.view!.purge(name, { filter: `${subject}.a` });
    await stage.until("the other ended", () => isMarked(stage, "b"));
    await stage.quiet();
    equal(await a.store.last(name, `${subject}.a`), undefined, "what was purged");
  }),

  ending("a time that is none, or less than a second, is refused", async (stage) => {
    await bucket(stage);
    for (const ttl of ["0", "0s", "500ms", "-5s", "soon"]) {
      await rejects("NATS", () => putFor(stage, ttl, "a"));
    }
    for (const ttl of ["1", "1s", "1500ms", "1.5s", "1m", "1h1m1s", "never"]) {
      await putFor(stage, ttl, "a");
    }
    equal((await stage.state()).lastSequence, 7, "how many were stored");
  }),

  ending("a stream without messageTtl refuses a message with a time", async (stage) => {
    const { a } = stage;
    await stage.stream();
    await rejects("NATS", () => putFor(stage, "60s", "a"));
    await a.admin.updateStream(stage.config({ messageTtl: true }));
    await putFor(stage, "1s", "a");
    await stage.until("it ended", () => isMarked(stage, "a"));
    const none = stage.config();
    await rejects("CONFLICT", () => a.admin.updateStream(none));
    equal((await stage.state()).config.messageTtl, true, "whether it has it still");
  }),
];
