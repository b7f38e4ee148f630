import { match, ok, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePorts, type NatsServer, startNatsServer } from "../tools/nats_server.ts";

const ROOT = new URL("../", import.meta.url);
const MAX_LINES = 60;
const LIMIT_MS = 60_000;

/** Each example that ends by itself and needs no server, and a line that it prints. */
const ALONE: Readonly<Record<string, RegExp>> = {
  "01_rpc.ts": /^one instance: \{ left: 95 \}$/m,
  "02_errors.ts": /^not run: Cannot call nobody\.register: nobody serves it/m,
  "03_deadline_and_cancel.ts": /^ {2}\{ rate: 1\.08 \} in 3 attempts$/m,
  "04_middleware.ts": /^open-sesame \{ gold: 40, checkedBy: "cave-1" \}$/m,
  "07_metrics_and_tracing.ts": /^span "server shop\/quote" in client shop\/quote$/m,
  "08_events.ts": /^billed by three, which was not there: 1$/m,
  "09_broadcast.ts": /^two sells the lamp at 18$/m,
  "10_dead_letters.ts": /^booked after all: A-1$/m,
  "11_commands.ts": /^Metropolis is converted, in 2 attempts$/m,
  // Of two that are as urgent the later one may come first, where the worker had the earlier one and gave it back.
  "12_command_queue.ts": /^an alarm, (a letter, an invoice|an invoice, a letter), a poem, a menu$/m,
  "13_kv.ts": /^becomes purge $/m,
  "14_registry.ts": /^live true ready true problems 0$/m,
  "15_discovery.ts": /^map-1 joined, map-2 joined, map-3 joined, map-1 left$/m,
  "demo.ts": /^ {2}→ orders is stopped, the bus is closed$/m,
};
/** Those that tests below run, and test/runtime/workerd_test.ts and browser_test.ts. */
const ELSEWHERE = [
  "05_two_processes_client.ts",
  "05_two_processes_service.ts",
  "06_testing.ts",
  "16_failover.ts",
  "17_worker.ts",
  "18_durable_object.ts",
  "browser",
];

const onDeno = "Deno" in globalThis;
const skip = !onDeno;
const why = onDeno ? "" : " (on Deno only: examples import the package by its name in deno.json)";

let server: NatsServer | undefined;
before(async () => {
  if (onDeno) server = await startNatsServer();
});
after(() => server?.stop());

interface Program {
  /** What it has printed, on standard output and error. */
  output(): string;
  stop(signal: NodeJS.Signals): void;
  /** Its exit code, when it has ended. */
  readonly ended: Promise<number | null>;
}

/** Starts Deno; a program that takes too long is killed, which is no exit code. */
function start(...args: readonly string[]): Program {
  const child = spawn(process.execPath, args, {
    cwd: fileURLToPath(ROOT),
    env: { ...process.env, NO_COLOR: "1", AEGIS_SERVERS: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const began = performance.now();
  const since = () => Math.round(performance.now() - began);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const ended = new Promise<number | null>((resolve) =>
    child.once("close", (code, signal) => {
      clearTimeout(limit);
      if (signal !== null) output += `\nended by ${signal} after ${since()} ms`;
      resolve(code);
    })
  );
  // Deno takes a program for killed once child.kill() was called, and then has no exit code of it.
  const stop = (signal: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, signal);
  };
  return { output: () => output, stop, ended };
}

function example(name: string, ...args: readonly string[]): Program {
  return start("run", "-A", `examples/${name}`, ...args);
}

async function printed(program: Program, line: RegExp): Promise<void> {
  let hasEnded = false;
  program.ended.then(() => hasEnded = true);
  for (const until = Date.now() + LIMIT_MS; !line.test(program.output());) {
    ok(Date.now() < until && !hasEnded, `not printed: ${line}\n${program.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const [name, line] of Object.entries(ALONE)) {
  for (const place of ["memory", "a server"]) {
    test(`examples/${name} runs on ${place}${why}`, { skip }, async () => {
      const args = name === "demo.ts" ? ["--servers"] : [];
      const program = example(name, ...args, place === "memory" ? "memory:" : server!.url);
      strictEqual(await program.ended, 0, program.output());
      match(program.output(), line);
    });
  }
}

test(`examples without an argument run embedded${why}`, { skip }, async () => {
  for (const name of ["01_rpc.ts", "demo.ts"]) {
    const program = example(name);
    strictEqual(await program.ended, 0, program.output());
    match(program.output(), ALONE[name]!);
  }
});

test(`examples/05 in two processes, the service ended by SIGTERM${why}`, { skip }, async () => {
  const service = example("05_two_processes_service.ts", server!.url);
  try {
    await printed(service, /greeter has started/);
    const client = example("05_two_processes_client.ts", server!.url);
    strictEqual(await client.ended, 0, client.output());
    match(client.output(), /^Hello, Katherine \(from greeter-[0-9a-f]{16}\)$/m);
  } finally {
    service.stop("SIGTERM");
  }
  strictEqual(await service.ended, 0, service.output());
  match(service.output(), /^every call that was taken is answered$/m);
});

test(`examples/06_testing.ts passes its tests${why}`, { skip }, async () => {
  const program = start("test", "-A", "examples/06_testing.ts");
  strictEqual(await program.ended, 0, program.output());
  match(program.output(), /2 passed \| 0 failed/);
});

test(`examples/16_failover.ts kills and stops leaders on a server${why}`, { skip }, async () => {
  const program = example("16_failover.ts", server!.url);
  strictEqual(await program.ended, 0, program.output());
  // Within a second, as it says where nothing else keeps the machine busy; its processes have two cores to share here.
  for (const what of ["killed", "stopped"]) {
    const [, gapMs] = new RegExp(`was ${what}; \\w+ answers after (\\d+) ms$`, "m")
      .exec(program.output())!;
    ok(Number(gapMs) < 5_000, program.output());
  }
});

test(`examples/browser/serve.ts serves the page and the worker${why}`, { skip }, async () => {
  const program = example("browser/serve.ts", "--port", "0", "--nats", "0", "--worker", "0");
  try {
    await printed(program, /^The worker is at \S+$/m);
    const [, page = ""] = /^The page is at (\S+)$/m.exec(program.output()) ?? [];
    const [, worker = ""] = /^The worker is at (\S+)$/m.exec(program.output()) ?? [];
    const get = async (base: string, path: string) =>
      await (await fetch(new URL(path, base))).text();
    match(await get(page, "/"), /<script type="module" src="page.js">/);
    match(await get(page, "/page.js"), /wsconnect/);
    match(await get(worker, "/price?drink=mocha"), /"cents":410,"from":"cafe-/);
  } finally {
    program.stop("SIGINT");
  }
  strictEqual(await program.ended, 0, program.output());
});

test(
  `the demo names the server that is not there, and how to start one${why}`,
  { skip },
  async () => {
    const [port] = await freePorts(1);
    const program = example("demo.ts", "--servers", `nats://127.0.0.1:${port}`);
    strictEqual(await program.ended, 1, program.output());
    match(program.output(), new RegExp(`127\\.0\\.0\\.1:${port}: connection refused`));
    match(program.output(), /Start one with: nats-server -js/);
  },
);

test(`the demo prints every step with its code and its outcome${why}`, { skip }, async () => {
  const program = example("demo.ts");
  await program.ended;
  const steps = program.output().split(/^\d+\. /m).slice(1);
  ok(steps.length >= 10);
  for (const step of steps) match(step, /^.+\n\n {5}\S[^]*\n {2}→ \S/);
});

test(`the demo says what options it has${why}`, { skip }, async () => {
  const help = example("demo.ts", "--help");
  strictEqual(await help.ended, 0);
  match(help.output(), /--servers nats:\/\/localhost:4222/);
  const wrong = example("demo.ts", "--server", "memory:");
  strictEqual(await wrong.ended, 1);
  match(wrong.output(), /'--server'/);
});

test("every example is run by a test, and the numbered ones are short", async () => {
  const names = (await readdir(new URL("examples/", ROOT))).sort();
  strictEqual(names.join(), [...Object.keys(ALONE), ...ELSEWHERE].sort().join());
  for (const name of names.filter((name) => /^\d/.test(name))) {
    const text = await readFile(new URL(`examples/${name}`, ROOT), "utf8");
    const lines = text.trimEnd().split("\n").length;
    ok(lines <= MAX_LINES, `examples/${name} has ${lines} lines, allowed are ${MAX_LINES}`);
  }
});
