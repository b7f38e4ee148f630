// Sender, worker and server are killed at once: records say what they said, and what had not ended goes on.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { AegisError, CommandError, type CommandRecord, connect, createClient } from "../../mod.ts";
import { watchChild } from "../../tools/guard.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { findDeno, findNode } from "../../tools/runtime.ts";
import { logger, pause, until } from "./outage_tools.ts";

const PROGRAM = fileURLToPath(new URL("command_restart_program.ts", import.meta.url));
const runtime = "Deno" in globalThis ? await findDeno() : await findNode();

interface Program {
  /** Its first line. */
  readonly line: string;
  /** Ends it as nothing that it could hear. */
  kill(): Promise<void>;
}

/** A process of the test; resolves when it has written its first line. */
async function program(stack: AsyncDisposableStack, ...args: readonly string[]): Promise<Program> {
  const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
  const child: ChildProcess = spawn(runtime.bin, [...flags, PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  watchChild(child);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const kill = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, "SIGKILL");
    await ended;
  };
  stack.defer(kill);
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve();
    });
    ended.then(() => reject(new Error(`${args.join(" ")} ended`)));
  });
  return { line: text.slice(0, text.indexOf("\n")), kill };
}

test("status() is true after sender, worker and server were killed together, and all goes on", async () => {
  await using server = await startNatsServer();
  await using stack = new AsyncDisposableStack();
  // First the sender, so that all of it waits when the worker begins, and what goes first is known.
  const sender = await program(stack, "sender", server.url, "sender");
  const ids = JSON.parse(sender.line) as Record<string, string>;
  const worker = await program(stack, "worker", server.url, "first");
  const look = async (): Promise<Record<string, CommandRecord>> => {
    await using bus = await connect({ servers: server.url, logger });
    const client = createClient({ bus });
    const found: Record<string, CommandRecord> = {};
    for (const [name, id] of Object.entries(ids)) {
      found[name] = await (await client.command(id)).status();
    }
    return found;
  };
  let before: Record<string, CommandRecord> = {};
  const expected = {
    completed: ["completed", 1, 100],
    failed: ["failed", 1, 0],
    retrying: ["retrying", 1, 0],
    "running 1": ["running", 1, 40],
    "running 2": ["running", 1, 40],
    pending: ["pending", 0, 0],
    cancelled: ["cancelled", 0, 0],
    later: ["pending", 0, 0],
  };
  const short = (records: Record<string, CommandRecord>) =>
    Object.fromEntries(
      Object.entries(records).map((
        [name, { state, attempts, percent }],
      ) => [name, [state, attempts, percent]]),
    );
  await until("all is where it is to be", async () => {
    before = await look();
    return JSON.stringify(short(before)) === JSON.stringify(expected);
  });
  // What a server heard a moment before it was killed it may forget.
  await pause(500);
  await Promise.all([sender.kill(), worker.kill(), server.kill()]);
  await server.restart();
  deepStrictEqual(await look(), before);
  const { completed, failed, cancelled, later } = before;
  deepStrictEqual(completed!.result, { who: "first", attempt: 1, data: null });
  deepStrictEqual([failed!.error?.code, failed!.error?.data], ["NO", { why: 1 }]);
  deepStrictEqual([cancelled!.cancelledBy, cancelled!.reason], ["sender", "not needed"]);
  ok(later!.dueAt! > Date.now() + 3_000_000);
  for (const name of ["running 1", "running 2"]) {
    deepStrictEqual([before[name]!.instanceId, before[name]!.data], ["first", { name }]);
  }
  await program(stack, "worker", server.url, "second");
  await using bus = await connect({ servers: server.url, logger });
  const client = createClient({ bus });
  const result = async (name: string) =>
    await (await client.command(ids[name]!)).result({ timeoutMs: 20_000 });
  for (const name of ["running 1", "running 2"]) {
    deepStrictEqual(await result(name), { who: "second", attempt: 2, data: { name } });
  }
  deepStrictEqual(await result("pending"), { who: "second", attempt: 1, data: null });
  deepStrictEqual(await result("retrying"), { who: "second", attempt: 2, data: null });
  deepStrictEqual(await result("completed"), completed!.result);
  const error = await result("failed").catch((error: unknown) => error);
  ok(CommandError.is(error, "NO"), `${error}`);
  const taken = await result("cancelled").catch((error: unknown) => error);
  ok(AegisError.is(taken, "CANCELLED"), `${taken}`);
  const after = await look();
  // What had ended is as it was, and what is not due still waits.
  for (const name of ["completed", "failed", "cancelled", "later"]) {
    deepStrictEqual(after[name], before[name]);
  }
  strictEqual((await client.listDeadLetters()).length, 1);
});
