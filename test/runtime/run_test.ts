import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  AegisError,
  type Bus,
  type Client,
  connect,
  createClient,
  createLogger,
  UnavailableError,
} from "../../mod.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

const MOD = new URL("../../mod.ts", import.meta.url).href;
const logger = createLogger({ level: "silent" });

const PROGRAM = `
import { connect, createLogger, createService, rpc, run } from ${JSON.stringify(MOD)};

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  });
});
const [server, kind] = process.argv.slice(2);
const bus = await connect({ servers: server, logger: createLogger({ level: "silent" }) });
const back = createService("back", { bus, handlers: [rpc("ping", () => "pong")] });
const front = createService("front", {
  bus,
  handlers: [
    rpc("hello", () => "Hello"),
    rpc("slow", async (_, ctx) => {
      console.log("running");
      await pause(500, ctx.signal);
      return ctx.call("back", "ping");
    }),
    rpc("endless", async (_, ctx) => {
      console.log("running");
      await pause(1e9, ctx.signal);
    }),
  ],
  hooks: {
    onStarted() {
      console.log("started");
      if (kind === "failing") throw new Error("the hook failed");
    },
    async onStop() {
      if (kind === "slow-hook") await pause(700);
    },
    onStopped: () => console.log("front stopped"),
  },
});
try {
  await run(back, front);
  console.log("over", back.status, front.status);
} catch (error) {
  console.log("failed:", error.message, back.status, front.status);
}
await bus.close();
`;

interface Program extends AsyncDisposable {
  /** Sends it a signal; Deno's `child.kill()` would have it counted as ended by that, whatever it did. */
  signal(name: NodeJS.Signals): void;
  readonly output: () => string;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | string | null>;
  says(text: string): Promise<void>;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

let folder: string;
let server: NatsServer;
let bus: Bus;
let client: Client;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-"));
  await writeFile(join(folder, "program.mjs"), PROGRAM);
  server = await startNatsServer({ jetstream: false });
  bus = await connect({ servers: server.url, logger });
  client = createClient({ bus });
});

after(async () => {
  await bus.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

function start(kind = ""): Program {
  const script = join(folder, "program.mjs");
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const flags = "Deno" in globalThis ? ["run", "-A", "--config", config] : [];
  const child = spawn(process.execPath, [...flags, script, server.url, kind], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let running = true;
  let text = "";
  child.stdout.on("data", (data) => text += data);
  child.stderr.on("data", (data) => text += data);
  const exited = new Promise<number | string | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => running = false);
    child.once("close", (code, signal) => resolve(code ?? signal));
  });
  const says = async (what: string): Promise<void> => {
    for (const end = performance.now() + 10_000; performance.now() < end; await pause(5)) {
      if (text.includes(what)) return;
    }
    throw new Error(`it did not say "${what}", but: ${text}`);
  };
  const signal = (name: NodeJS.Signals): void => {
    if (child.pid !== undefined) process.kill(child.pid, name);
  };
  return {
    signal,
    output: () => text,
    exited,
    says,
    async [Symbol.asyncDispose]() {
      if (running) signal("SIGKILL");
      await exited;
    },
  };
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`run() ends on ${signal} with exit code 0, and a running handler finishes first`, async () => {
    await using program = start();
    await program.says("started");
    strictEqual(await client.call("front", "hello"), "Hello");
    const slow = client.call("front", "slow");
    await program.says("running");
    program.signal(signal);
    // What it calls while it finishes is still served: the services stop one after the other, the last first.
    strictEqual(await slow, "pong");
    strictEqual(await within(5_000, "it ends", program.exited), 0);
    match(program.output(), /front stopped\nover stopped stopped\n$/);
    const { error } = await client.call("front", "hello").then(
      () => ({ error: undefined }),
      (error) => ({ error }),
    );
    ok(error instanceof UnavailableError, `${error}`);
  });
}

test("a second signal cuts short what the first one left to finish", async () => {
  await using program = start();
  await program.says("started");
  const endless = client.call("front", "endless", {}, { timeoutMs: 20_000 }).then(
    () => undefined,
    (error) => error,
  );
  await program.says("running");
  program.signal("SIGINT");
  await pause(200);
  doesNotMatch(program.output(), /over/);
  program.signal("SIGINT");
  strictEqual(await within(3_000, "it ends", program.exited), 0);
  const error = await within(1_000, "the call ends", endless);
  ok(AegisError.is(error, "SERVICE_UNAVAILABLE"), `${error}`);
  match(program.output(), /over stopped stopped\n$/);
});

test("a second signal counts also while a hook of the stop still runs", async () => {
  await using program = start("slow-hook");
  await program.says("started");
  const endless = client.call("front", "endless", {}, { timeoutMs: 20_000 }).then(
    () => undefined,
    (error) => error,
  );
  await program.says("running");
  program.signal("SIGTERM");
  await pause(200);
  program.signal("SIGTERM");
  strictEqual(await within(4_000, "it ends", program.exited), 0);
  ok(AegisError.is(await endless, "SERVICE_UNAVAILABLE"));
});

test("when a service does not start, run() stops those that had and throws what it threw", async () => {
  await using program = start("failing");
  strictEqual(await within(10_000, "it ends", program.exited), 0);
  match(program.output(), /failed: the hook failed stopped failed\n$/);
});
