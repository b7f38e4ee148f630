// Commands among users who may not do all of it: what they lack is said, and the result is found all the same.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  AegisError,
  type Bus,
  command,
  CommandError,
  connect,
  createClient,
  createService,
} from "../../mod.ts";
import type { CommandHandler } from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { foreignStream } from "../app/buses.ts";
import { gate, until } from "./outage_tools.ts";

const TOLD = `["commands.progress.>", "commands.callback.>"]`;
const CONFIG = `
accounts {
  A {
    jetstream: enabled
    users: [
      { user: "all", password: "p" }
      { user: "deaf", password: "p", permissions: { publish: ">", subscribe: { deny: ${TOLD} } } }
      { user: "mute", password: "p", permissions: { publish: { deny: ${TOLD} }, subscribe: ">" } }
      { user: "no_cancels", password: "p", permissions: {
        publish: ">", subscribe: { deny: ["commands.cancel.>"] } } }
      { user: "tells_no_cancel", password: "p", permissions: {
        publish: { deny: ["commands.cancel.>"] }, subscribe: ">" } }
      { user: "no_letters", password: "p", permissions: {
        publish: { deny: ["dead_letters.>"] }, subscribe: ">" } }
      { user: "no_purge", password: "p", permissions: {
        publish: { deny: ["$JS.API.STREAM.PURGE.>"] }, subscribe: ">" } }
    ]
  }
}`;

interface Here {
  /** A bus of a user. */
  open(user: string): Promise<Bus>;
  /** A started service "svc" of a user. */
  serve(user: string, ...handlers: readonly CommandHandler[]): Promise<void>;
  /** What was said to be wrong, by any user. */
  readonly warnings: string[];
}

function here(name: string, run: (here: Here) => Promise<void>): void {
  test(name, async () => {
    await using server = await startNatsServer({ jetstream: true, config: CONFIG });
    await using stack = new AsyncDisposableStack();
    const warnings: string[] = [];
    const warn = (message: string) => void warnings.push(message);
    const logger = { debug() {}, info() {}, warn, error: warn };
    const open = async (user: string): Promise<Bus> =>
      stack.use(await connect({ servers: server.url, user, pass: "p", logger }));
    await run({
      open,
      async serve(user, ...handlers) {
        const service = createService("svc", { bus: await open(user), handlers });
        stack.defer(() => service.stop({ graceMs: 0 }));
        await service.start();
      },
      warnings,
    });
  });
}

const said = ({ warnings }: Here, what: RegExp) =>
  warnings.filter((line) => what.test(line)).length;

here("who may not hear how commands go looks for the result, once a second", async (here) => {
  await here.serve(
    "all",
    command("work", async (_, ctx) => {
      await ctx.progress(50, "half", { n: 1 });
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      return "done";
    }),
  );
  const client = createClient({ bus: await here.open("deaf") });
  const startedAt = performance.now();
  const job = await client.send("svc", "work");
  const steps: unknown[] = [];
  const followed = (async () => {
    for await (const { percent, status } of job.progress()) steps.push([percent, status]);
  })();
  strictEqual(await job.result({ timeoutMs: 10_000 }), "done");
  ok(performance.now() - startedAt < 5_000);
  await followed;
  deepStrictEqual(steps[0], [50, "half"]);
  ok(said(here, /cannot be followed/) > 0, here.warnings.join());
  // Another process of that user, which has not sent it.
  const other = await createClient({ bus: await here.open("deaf") }).command(job.id);
  strictEqual(await other.result({ timeoutMs: 4_000 }), "done");
});

here("what an instance may not tell is in the record", async (here) => {
  await here.serve(
    "mute",
    command("work", async ({ payload }, ctx) => {
      await ctx.progress(50, "half", { n: 1 });
      if ((payload as { fail?: boolean }).fail) throw new CommandError("NO", "no", { final: true });
      return "done";
    }),
  );
  const client = createClient({ bus: await here.open("all") });
  for (const fail of [false, true]) {
    const job = await client.send("svc", "work", { fail });
    await until("it has ended", async () => (await job.status()).finishedAt !== undefined);
    const { state, data } = await job.status();
    deepStrictEqual([state, data], [fail ? "failed" : "completed", { n: 1 }]);
    const other = await createClient({ bus: await here.open("all") }).command(job.id);
    const result = await other.result({ timeoutMs: 4_000 }).catch((error: unknown) => error);
    if (fail) ok(CommandError.is(result, "NO"), `${result}`);
    else strictEqual(result, "done");
  }
});

for (const [user, canceller] of [["no_cancels", "all"], ["all", "tells_no_cancel"]] as const) {
  here(
    `a cancel that is not heard is found in the record: run by ${user}, taken back by ${canceller}`,
    async (here) => {
      const { arrived, arrive } = gate();
      const reasons: unknown[] = [];
      await here.serve(
        user,
        command("work", async ({ payload }, ctx) => {
          if (!(payload as { hang?: boolean }).hang) return "done";
          arrive();
          for (let n = 0;; n = (n + 1) % 100) {
            await ctx.progress(n).catch((error) => {
              reasons.push(error);
              throw error;
            });
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }),
      );
      const client = createClient({ bus: await here.open(canceller) });
      const job = await client.send("svc", "work", { hang: true });
      await arrived;
      strictEqual((await job.cancel("enough")).state, "cancelled");
      await until("its handler is aborted", () => reasons.length === 1);
      ok(AegisError.is(reasons[0], "CANCELLED"), `${reasons[0]}`);
      const error = await job.result({ timeoutMs: 4_000 }).catch((error: unknown) => error);
      ok(AegisError.is(error, "CANCELLED"), `${error}`);
      strictEqual(await (await client.send("svc", "work")).result({ timeoutMs: 4_000 }), "done");
    },
  );
}

here("a command ends though its instance may keep no dead letters", async (here) => {
  await here.serve(
    "no_letters",
    command("work", () => {
      throw new CommandError("NO", "no", { final: true });
    }),
  );
  const client = createClient({ bus: await here.open("all") });
  const job = await client.send("svc", "work");
  const error = await job.result({ timeoutMs: 10_000 }).catch((error: unknown) => error);
  ok(CommandError.is(error, "NO"), `${error}`);
  strictEqual((await job.status()).state, "failed");
  deepStrictEqual(await client.listDeadLetters(), []);
  ok(here.warnings.length > 0);
});

here(
  "a stream of the original's that may not be purged is left as it is, and that is said once",
  async (here) => {
    const bus = await here.open("all");
    const { admin } = partsOf(bus, "a test").busStreams.ports;
    const config = { ...foreignStream("COMMANDS", "commands.>"), retention: "workqueue" as const };
    await admin.createStream(config);
    await here.serve("no_purge", command("work", () => "done"));
    const { send } = createClient({ bus });
    strictEqual(await (await send("svc", "work")).result({ timeoutMs: 4_000 }), "done");
    await until("it is said", () => said(here, /may not be purged/) > 0);
    strictEqual(await (await send("svc", "work")).result({ timeoutMs: 4_000 }), "done");
    await until("both are there", async () => (await admin.stream("COMMANDS"))!.messages === 2);
    strictEqual(said(here, /may not be purged/), 1);
  },
);
