// Processes that die over their commands or stand still with them: another one has them in time, and never beside them.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type Bus,
  type Client,
  CommandError,
  connect,
  createClient,
  createService,
} from "../../mod.ts";
import { serverAckWaitOf } from "../../src/app/command_lease.ts";
import { watchChild } from "../../tools/guard.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { findDeno, findNode } from "../../tools/runtime.ts";
import { type Note, notesOf, overlaps, type Steps, steps } from "./command_steps.ts";
import { logger, pause, until } from "./outage_tools.ts";

const PROGRAM = fileURLToPath(new URL("command_program.ts", import.meta.url));
const runtime = "Deno" in globalThis ? await findDeno() : await findNode();

interface Here {
  readonly bus: Bus;
  readonly client: Client;
  /** After how long the server gives a command to another instance. */
  readonly takeoverMs: number;
  notes(): Note[];
  /** Starts an instance in a process of its own; resolves when it has started. */
  spawn(who: string, concurrency?: number): Promise<ChildProcess & { ended: Promise<unknown> }>;
  /** Starts an instance in this process. */
  serve(who: string, concurrency?: number): Promise<void>;
  send(payload: Steps, options?: { maxRetries: number }): ReturnType<Client["send"]>;
}

/** Not by `child.kill()`, which on Deno does nothing the second time. */
function signal({ pid }: ChildProcess, name: "SIGSTOP" | "SIGCONT" | "SIGKILL" | "SIGTERM"): void {
  process.kill(pid!, name);
}

/** A test with a server, and notes of all that is done. */
function here(name: string, ackWaitMs: number, run: (here: Here) => Promise<void>): void {
  test(name, async () => {
    await using server = await startNatsServer();
    const folder = await mkdtemp(join(tmpdir(), "commands-"));
    const file = join(folder, "notes");
    await writeFile(file, "");
    const bus = await connect({ servers: server.url, logger });
    const client = createClient({ bus });
    const children: ChildProcess[] = [];
    const services: { stop(options: { graceMs: number }): Promise<void> }[] = [];
    try {
      await run({
        bus,
        client,
        takeoverMs: serverAckWaitOf(ackWaitMs),
        notes: () => notesOf(file),
        async spawn(who, concurrency = 16) {
          const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
          const child = spawn(
            runtime.bin,
            [...flags, PROGRAM, server.url, file, who, `${ackWaitMs}`, `${concurrency}`],
            { stdio: ["ignore", "pipe", "inherit"] },
          );
          watchChild(child);
          children.push(child);
          const ended = new Promise((resolve) => child.once("close", resolve));
          await new Promise((resolve, reject) => {
            child.stdout.once("data", resolve);
            ended.then(() => reject(new Error(`${who} did not start`)));
          });
          return Object.assign(child, { ended });
        },
        async serve(who, concurrency = 16) {
          const handlers = [steps(file, who, { ackWaitMs, concurrency })];
          const service = createService("svc", { bus, handlers, instanceId: who });
          services.push(service);
          await service.start();
        },
        send: (payload, options) => client.send("svc", "steps", payload, options),
      });
      deepStrictEqual(overlaps(notesOf(file)), []);
    } finally {
      for (const child of children) {
        if (child.exitCode === null && child.signalCode === null) signal(child, "SIGKILL");
      }
      await Promise.all(services.map((service) => service.stop({ graceMs: 0 })));
      await bus.close();
      await rm(folder, { recursive: true });
    }
  });
}

here(
  "a command whose process is killed runs elsewhere within the ack wait",
  1_000,
  async (here) => {
    const first = await here.spawn("first");
    const job = await here.send({ ms: 1_500 });
    await until("it runs", () => here.notes().some(({ what }) => what === "step"));
    await here.serve("second");
    // Longer than the ack wait: as long as it lives it keeps the command.
    await pause(1_100);
    deepStrictEqual(new Set(here.notes().map(({ who }) => who)), new Set(["first"]));
    const killedAt = Date.now();
    signal(first, "SIGKILL");
    strictEqual(await job.result(), "second");
    const begin = here.notes().find(({ what, who }) => what === "begin" && who === "second")!;
    ok(begin.at - killedAt < here.takeoverMs + 500, `it began after ${begin.at - killedAt} ms`);
    strictEqual(begin.attempt, 2);
    const { state, attempts, instanceId } = await job.status();
    deepStrictEqual([state, attempts, instanceId], ["completed", 2, "second"]);
  },
);

here(
  "a process that is frozen for longer than the ack wait lets go of its command when it is awake",
  1_000,
  async (here) => {
    const first = await here.spawn("first");
    // Longer than it stands still, so that it is at work still when it is awake.
    const job = await here.send({ ms: 6_000 });
    await until("it runs", () => here.notes().some(({ what }) => what === "step"));
    await here.serve("second");
    signal(first, "SIGSTOP");
    const of = (who: string, what: Note["what"]) =>
      here.notes().some((note) => note.who === who && note.what === what);
    await until("the other has begun", () => of("second", "begin"));
    await pause(200);
    signal(first, "SIGCONT");
    await until("the first notices", () => of("first", "abort"));
    strictEqual(of("second", "end"), false);
    strictEqual(await job.result(), "second");
    const { attempts, instanceId } = await job.status();
    deepStrictEqual([attempts, instanceId], [2, "second"]);
  },
);

here(
  "the late result of a process that was frozen does not take the place of another's",
  1_000,
  async (here) => {
    const first = await here.spawn("first");
    const job = await here.send({ ms: 1_200, stubborn: true });
    await until("it runs", () => here.notes().length === 1);
    await here.serve("second");
    signal(first, "SIGSTOP");
    await until("the other has begun", () => here.notes().length === 2);
    await pause(300);
    // Its time is over, so it returns at once, and long before the other.
    signal(first, "SIGCONT");
    strictEqual(await job.result(), "second");
    await pause(300);
    const { state, result, attempts, instanceId } = await job.status();
    deepStrictEqual([state, result, attempts, instanceId], ["completed", "second", 2, "second"]);
  },
);

here(
  "a process that is frozen for less than the ack wait keeps its command",
  1_500,
  async (here) => {
    const first = await here.spawn("first");
    const job = await here.send({ ms: 1_500 });
    await until("it runs", () => here.notes().some(({ what }) => what === "step"));
    await here.serve("second");
    for (let i = 0; i < 3; i++) {
      signal(first, "SIGSTOP");
      await pause(500);
      signal(first, "SIGCONT");
      await pause(200);
    }
    strictEqual(await job.result(), "first");
    strictEqual((await job.status()).attempts, 1);
  },
);

for (const busy of [false, true]) {
  const others = busy ? "busy" : "idle";
  here(
    `what was sent to a frozen process does not run there beside the others, which are ${others}`,
    1_000,
    async (here) => {
      const first = await here.spawn("first");
      // While the second is busy nobody takes over what waits for the first, until that is awake again.
      await here.serve("second", busy ? 1 : 16);
      signal(first, "SIGSTOP");
      const jobs = await Promise.all(
        Array.from({ length: 8 }, () => here.send({ ms: busy ? 600 : 700 })),
      );
      await pause(here.takeoverMs + (busy ? 100 : 300));
      signal(first, "SIGCONT");
      for (const job of jobs) await job.result();
      for (const job of jobs) strictEqual((await job.status()).attempts, 1);
    },
  );
}

here(
  "a command over which process after process dies has crashed, and the others run",
  500,
  async (here) => {
    let over = false;
    let starts = 0;
    const supervisor = (async () => {
      while (!over) {
        // One may die over the command before it says that it has started.
        const child = await here.spawn(`start${++starts}`).catch(() => undefined);
        if (child === undefined) continue;
        const look = setInterval(() => over && signal(child, "SIGTERM"), 20);
        await child.ended;
        clearInterval(look);
      }
    })();
    try {
      const dead = await here.send({ ms: 0, die: true }, { maxRetries: 2 });
      const well = await here.send({ ms: 10 });
      const error = await dead.result({ timeoutMs: 30_000 }).catch((error: unknown) => error);
      ok(CommandError.is(error, "CRASHED"), String(error));
      strictEqual(error.attempts, 3);
      const { state, attempts } = await dead.status();
      deepStrictEqual([state, attempts], ["failed", 3]);
      const begins = here.notes().filter(({ what, id }) => what === "begin" && id === dead.id);
      strictEqual(begins.length, 3);
      await well.result();
      const letters = await here.client.listDeadLetters();
      deepStrictEqual(letters.map(({ reason, attempts }) => [reason, attempts]), [["crashed", 3]]);
    } finally {
      over = true;
      await supervisor;
    }
  },
);

here(
  "a command that takes longer than the ack wait is run once as long as its instance is there",
  300,
  async (here) => {
    await here.serve("first");
    await here.serve("second");
    const jobs = await Promise.all(Array.from({ length: 20 }, () => here.send({ ms: 1_200 })));
    for (const job of jobs) await job.result();
    strictEqual(here.notes().filter(({ what }) => what === "begin").length, 20);
  },
);
