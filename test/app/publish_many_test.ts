// Publishing many events: pipelined, in bounded memory, each with an outcome of its own.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { AegisError, createClient, event, on, type PublishOutcome } from "../../mod.ts";
import { bothStreams, errorOf, until } from "./buses.ts";

const Step = event("proof.step", { payload: v.object({ n: v.number() }) });

bothStreams("an array is stored in its order, and the result counts it", async (buses) => {
  const got: number[] = [];
  await buses.serve("audit", [
    on(Step, { ordered: true }, ({ payload }) => void got.push(payload.n)),
  ]);
  const client = createClient({ bus: buses.client });
  const events = Array.from({ length: 300 }, (_, n) => Step({ n }));
  deepStrictEqual(await client.publishMany(events), { stored: 300, duplicates: 0, failed: 0 });
  await until(() => got.length === 300);
  deepStrictEqual(got, Array.from({ length: 300 }, (_, n) => n));
});

bothStreams("generators are read no faster than what they give is stored", async ({ client }) => {
  let given = 0;
  let settled = 0;
  let most = 0;
  async function* steps() {
    for (let n = 0; n < 2_000; n++) {
      if (n % 100 === 0) await Promise.resolve();
      given++;
      most = Math.max(most, given - settled);
      yield Step({ n });
    }
  }
  const { stored } = await createClient({ bus: client }).publishMany(steps(), {
    inFlight: 64,
    onOutcome: () => void settled++,
  });
  deepStrictEqual([stored, settled], [2_000, 2_000]);
  ok(most <= 65, `${most} were on their way`);
});

bothStreams("each has an outcome of its own, and the others are stored", async ({ client }) => {
  const outcomes: PublishOutcome[] = [];
  const events = [Step({ n: 0 }), Step({ n: "1" as never }), Step({ n: 2 }), { type: "wrong" }];
  const result = await createClient({ bus: client }).publishMany(events as never, {
    onOutcome: (outcome) => void outcomes.push(outcome),
  });
  deepStrictEqual(result, { stored: 2, duplicates: 0, failed: 2 });
  outcomes.sort((a, b) => a.index - b.index);
  deepStrictEqual(outcomes.map(({ ok }) => ok), [true, false, true, false]);
  const [first, second, third] = outcomes;
  ok(first!.ok && third!.ok && third!.sequence! === first!.sequence! + 1);
  ok(!second!.ok && AegisError.is(second!.error, "INVALID_REQUEST"));
});

bothStreams(
  "without a listener it rejects when some are not stored, and says which",
  async ({ client }) => {
    const many = createClient({ bus: client }).publishMany;
    const error = await errorOf(many([Step({ n: 0 }), Step({ n: null as never }), Step({ n: 2 })]));
    ok(AegisError.is(error, "PUBLISH_INCOMPLETE"), String(error));
    const { stored, failed, failures } = error.details as {
      stored: number;
      failed: number;
      failures: { index: number }[];
    };
    deepStrictEqual([stored, failed, failures.map(({ index }) => index)], [2, 1, [1]]);
  },
);

bothStreams(
  "what the source throws comes out, and what was published before is stored",
  async ({ client }) => {
    const { publishMany, publish } = createClient({ bus: client });
    let closed = false;
    function* steps() {
      try {
        yield Step({ n: 0 });
        throw new Error("the source is dry");
      } finally {
        closed = true;
      }
    }
    await rejects(publishMany(steps()), /the source is dry/);
    strictEqual(closed, true);
    strictEqual((await publish(Step({ n: 1 }))).sequence, 2);
  },
);

bothStreams("a signal ends it, and the source hears of it", async ({ client }) => {
  const controller = new AbortController();
  let closed = false;
  async function* steps() {
    try {
      for (let n = 0;; n++) {
        if (n === 50) controller.abort(new Error("enough"));
        await Promise.resolve();
        yield Step({ n });
      }
    } finally {
      closed = true;
    }
  }
  const { publishMany } = createClient({ bus: client });
  await rejects(publishMany(steps(), { signal: controller.signal }), /enough/);
  strictEqual(closed, true);
});

bothStreams("what is nothing to iterate over, or no option, is refused", async ({ client }) => {
  const { publishMany } = createClient({ bus: client });
  for (const wrong of [undefined, null, 5, {}, "events"]) {
    await rejects(publishMany(wrong as never), TypeError);
  }
  await rejects(publishMany([], { inflight: 5 } as never), /did you mean "inFlight"/);
  await rejects(publishMany([], { inFlight: 0 }), RangeError);
  deepStrictEqual(await publishMany([]), { stored: 0, duplicates: 0, failed: 0 });
});

bothStreams(
  "thousands are stored once each and in their order, in bursts where the server has them",
  async (buses) => {
    const got: number[] = [];
    const count = 12_000;
    const handler = on(Step, { concurrency: 1 }, ({ payload }) => void got.push(payload.n));
    await buses.serve("audit", [handler]);
    const client = createClient({ bus: buses.client });
    const outcomes = new Map<number, string>();
    function* steps() {
      for (let n = 0; n < count; n++) yield Step({ n });
    }
    const result = await client.publishMany(steps(), {
      onOutcome: (outcome) => void (outcome.ok && outcomes.set(outcome.index, outcome.id)),
    });
    deepStrictEqual(result, { stored: count, duplicates: 0, failed: 0 });
    strictEqual(new Set(outcomes.values()).size, count);
    await until(() => got.length >= count);
    ok(got.every((n, i) => n === i) && got.length === count);
  },
);

bothStreams("what a listener throws comes out when each has its outcome", async ({ client }) => {
  let told = 0;
  const many = createClient({ bus: client }).publishMany(
    Array.from({ length: 10 }, (_, n) => Step({ n })),
    {
      onOutcome: () => {
        told++;
        throw new Error("the listener is broken");
      },
    },
  );
  await rejects(many, /the listener is broken/);
  strictEqual(told, 10);
});

bothStreams("a signal ends it also while its source has nothing to give", async ({ client }) => {
  async function* idle() {
    yield Step({ n: 0 });
    await new Promise(() => {});
  }
  const { publishMany } = createClient({ bus: client });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("enough")), 50); // AbortSignal.timeout() would let Node 20 end before
  await rejects(publishMany(idle(), { signal: controller.signal }), /^Error: enough$/);
});

bothStreams("a source may give anything that can be waited for", async ({ client }) => {
  let n = 0;
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => ({
        then: (take: (step: unknown) => void) =>
          take(n < 3 ? { done: false, value: Step({ n: n++ }) } : { done: true, value: undefined }),
      }),
    }),
  };
  const result = await createClient({ bus: client }).publishMany(source as never);
  deepStrictEqual(result, { stored: 3, duplicates: 0, failed: 0 });
});
