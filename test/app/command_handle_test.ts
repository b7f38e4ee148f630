// Handles of commands: progress and results, before they end and after.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  command,
  CommandError,
  type CommandHandle,
  createClient,
  type ProgressStep,
  RpcError,
  TimeoutError,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, hang, until } from "./buses.ts";
import { gate } from "../nats/outage_tools.ts";

const QUICK = { initialDelayMs: 10, factor: 1, jitter: 0 };

/** A command that tells a step whenever it is told to, and ends when it is told to. */
async function stepping(buses: Buses): Promise<{
  job: CommandHandle;
  step(percent: number, status?: string, data?: unknown): Promise<void>;
  end(): void;
}> {
  const { arrived, arrive, open, opened } = gate();
  let step: (percent: number, status?: string, data?: unknown) => Promise<void>;
  await buses.serve("jobs", [
    command("work", async (_command, ctx) => {
      step = (...args) => ctx.progress(...args);
      arrive();
      await opened;
      return "done";
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("jobs", "work");
  await arrived;
  return { job, step: (...args) => step(...args), end: open };
}

/** All steps that an iterator still gives. */
async function all(steps: AsyncIterable<ProgressStep>): Promise<ProgressStep[]> {
  const got: ProgressStep[] = [];
  for await (const step of steps) got.push(step);
  return got;
}

bothStreams("progress() ends with the command, also where that tells nothing", async (buses) => {
  const { job, end } = await stepping(buses);
  const steps = all(job.progress());
  end();
  deepStrictEqual(await steps, []);
});

bothStreams("progress() ends where the command fails", async (buses) => {
  await buses.serve("jobs", [
    command("work", { retry: false }, async (_command, ctx) => {
      await ctx.progress(30, "trying");
      throw new Error("no");
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("jobs", "work");
  deepStrictEqual(await all(job.progress()), [{
    percent: 30,
    status: "trying",
    data: undefined,
  }]);
});

bothStreams("every iterator gets the steps, from the last one that is known", async (buses) => {
  const { job, step, end } = await stepping(buses);
  const one = job.progress();
  const two = job.progress();
  const first = Promise.all([one.next(), two.next()]);
  await step(10, "a");
  deepStrictEqual((await first).map(({ value }) => value.percent), [10, 10]);
  // One that begins now is told how far it is already.
  const three = job.progress();
  strictEqual((await three.next()).value.percent, 10);
  const second = Promise.all([one, two, three].map((steps) => steps.next()));
  await step(20, "b");
  deepStrictEqual((await second).map(({ value }) => value.percent), [20, 20, 20]);
  const rest = Promise.all([one, two, three].map(all));
  end();
  deepStrictEqual(await rest, [[], [], []]);
});

bothStreams("whoever takes slowly gets the latest", async (buses) => {
  const { job, step, end } = await stepping(buses);
  const steps = job.progress();
  const first = steps.next();
  await step(1);
  await first;
  for (let percent = 2; percent <= 50; percent++) await step(percent, `at ${percent}`);
  end();
  await job.result();
  const rest = await all(steps);
  deepStrictEqual(rest, [{ percent: 50, status: "at 50", data: undefined }]);
});

bothStreams("an iterator that begins after the end gives the last step and ends", async (buses) => {
  const { job, step, end } = await stepping(buses);
  await step(60, "most", { n: 1 });
  end();
  await job.result();
  const last = { percent: 60, status: "most", data: { n: 1 } };
  deepStrictEqual(await all(job.progress()), [last]);
  deepStrictEqual(await all(job.progress()), [last]);
});

bothStreams("percentages never go back, also over another attempt", async (buses) => {
  await buses.serve("jobs", [
    command("work", { retry: QUICK }, async (_command, ctx) => {
      for (const percent of ctx.attempt === 1 ? [40, 20, 60] : [10, 70, 100]) {
        await ctx.progress(percent, `${ctx.attempt}: ${percent}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (ctx.attempt === 1) throw new Error("again");
    }),
  ]);
  const job = await createClient({ bus: buses.client }).send("jobs", "work");
  const other = await createClient({ bus: await buses.open() }).command(job.id);
  for (const steps of await Promise.all([job, other].map((handle) => all(handle.progress())))) {
    const percents = steps.map(({ percent }) => percent);
    deepStrictEqual(percents, percents.toSorted((a, b) => a - b));
    deepStrictEqual([percents.at(-1), steps.at(-1)?.status], [100, "2: 100"]);
  }
});

bothStreams("a loop that is left takes nothing more, and another one may follow", async (buses) => {
  const { job, step, end } = await stepping(buses);
  setTimeout(() => void step(10));
  for await (const { percent } of job.progress()) {
    strictEqual(percent, 10);
    break;
  }
  const steps = job.progress();
  strictEqual((await steps.next()).value.percent, 10);
  deepStrictEqual(await steps.return!(), { done: true, value: undefined });
  deepStrictEqual(await steps.next(), { done: true, value: undefined });
  end();
  strictEqual(await job.result(), "done");
});

bothStreams("a signal ends progress() with its reason, before it and in it", async (buses) => {
  const { job, step, end } = await stepping(buses);
  const reason = new Error("enough");
  strictEqual(await errorOf(all(job.progress({ signal: AbortSignal.abort(reason) }))), reason);
  const controller = new AbortController();
  const steps = job.progress({ signal: controller.signal });
  const first = steps.next();
  await step(10);
  await first;
  const next = errorOf(steps.next());
  controller.abort(reason);
  strictEqual(await next, reason);
  end();
  strictEqual(await job.result(), "done");
});

bothStreams(
  "result() may be asked for any number of times, before the end and after it",
  async (buses) => {
    const { job, end } = await stepping(buses);
    const early = [job.result(), job.result()];
    end();
    deepStrictEqual(await Promise.all(early), ["done", "done"]);
    deepStrictEqual(await Promise.all([job.result(), job.result()]), ["done", "done"]);
  },
);

bothStreams(
  "result() waits no longer than it is told to, and the command goes on",
  async (buses) => {
    const { job, end } = await stepping(buses);
    const error = await errorOf(job.result({ timeoutMs: 30 }));
    ok(TimeoutError.is(error), `${error}`);
    deepStrictEqual(error.details, { id: job.id, waiting: true });
    const reason = new Error("enough");
    strictEqual(await errorOf(job.result({ signal: AbortSignal.abort(reason) })), reason);
    const controller = new AbortController();
    const waiting = errorOf(job.result({ signal: controller.signal }));
    controller.abort(reason);
    strictEqual(await waiting, reason);
    strictEqual((await job.status()).state, "running");
    end();
    strictEqual(await job.result({ timeoutMs: Infinity }), "done");
    strictEqual(await errorOf(job.result({ signal: AbortSignal.abort(reason) })), reason);
  },
);

bothStreams(
  "a handler's error arrives with its code, message, data and the attempts",
  async (buses) => {
    await buses.serve("jobs", [
      command("work", { retry: QUICK }, () => {
        throw new RpcError("CARD_EXPIRED", "The card has expired – 💳", { last4: "1234" });
      }),
    ]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work", {}, {
      maxRetries: 1,
    });
    for (const handle of [job, await createClient({ bus: await buses.open() }).command(job.id)]) {
      const error = await errorOf(handle.result());
      ok(CommandError.is(error, "CARD_EXPIRED"), `${error}`);
      strictEqual(error.message, "The card has expired – 💳");
      deepStrictEqual([error.attempts, error.data], [2, { last4: "1234" }]);
      deepStrictEqual(error.details, {
        id: job.id,
        service: "jobs",
        command: "work",
        attempts: 2,
      });
    }
  },
);

bothStreams(
  "an attempt that takes too long ends the command, with a TimeoutError",
  async (buses) => {
    await buses.serve("jobs", [command("work", hang)]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work", {}, {
      timeoutMs: 50,
    });
    const error = await errorOf(job.result());
    ok(TimeoutError.is(error), `${error}`);
    strictEqual(error.message, "work of jobs was not done within 50 ms");
    strictEqual(error.details.waiting, undefined);
    strictEqual((await job.status()).state, "timed_out");
  },
);

bothStreams("what options of a handle cannot be is said", async (buses) => {
  const { job, end } = await stepping(buses);
  await rejects(job.result({ timeout: 5 } as object), /option "timeout" of result\(\)/);
  await rejects(job.result({ timeoutMs: 0 }), RangeError);
  await rejects(job.result(5 as unknown as object), TypeError);
  await rejects(async () => await job.result({ signal: {} as AbortSignal }), TypeError);
  for (const options of [{ timeoutMs: 5 }, 5, { signal: {} }]) {
    await rejects(async () => await all(job.progress(options as object)), TypeError);
  }
  await rejects(job.cancel(5 as unknown as string), TypeError);
  ok(Object.isFrozen(job));
  end();
});

bothStreams("progress that anybody may have sent changes nothing that it cannot", async (buses) => {
  const { job, step, end } = await stepping(buses);
  const steps = job.progress();
  const wire = await buses.wire();
  const subject = `commands.progress.${job.id}`;
  for (
    const body of ["", "{", "[]", "null", '{"progress":5}', '{"command_id":"x","progress":"5"}']
  ) {
    wire.publish(subject, body);
    wire.publish(`commands.callback.${job.id}`, body);
  }
  wire.publish(`commands.callback.${job.id}`, '{"command_id":"x","status":"failed","result":1}');
  await wire.flush();
  await step(5);
  strictEqual((await steps.next()).value.percent, 5);
  wire.publish(subject, '{"command_id":"x","progress":500,"status":"much"}');
  await wire.flush();
  deepStrictEqual((await steps.next()).value, { percent: 100, status: "much", data: undefined });
  end();
  strictEqual(await job.result(), "done");
});

bothStreams(
  "of many commands whose results nobody asks for the results can be had later",
  async (buses) => {
    await buses.serve("jobs", [command("work", ({ payload }) => payload)]);
    const client = createClient({ bus: buses.client });
    const jobs = await Promise.all(
      Array.from({ length: 200 }, (_, n) => client.send("jobs", "work", { n })),
    );
    const { admin } = await buses.streams();
    await until(async () => (await admin.stream("COMMANDS_jobs"))?.messages === 0);
    deepStrictEqual(
      await Promise.all(jobs.map((job) => job.result())),
      jobs.map((_, n) => ({ n })),
    );
  },
);
