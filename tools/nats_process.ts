// The process of a nats-server: spawned, found ready, ended.

import { closeSync, openSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnWatched } from "./guard.ts";

/** How long a server may take to start. */
export const READY_MS = 30_000;
const STOP_MS = 5_000;
/** Windows can end a process, and knows no other signal. */
const HAS_SIGNALS = process.platform !== "win32";

/** A nats-server's process. */
export interface Running {
  readonly pid: number;
  readonly exited: Promise<void>;
  over: boolean;
}

/** Starts the process. The log goes to a file, so that nobody has to read a pipe for the server to go on. */
export function spawnServer(bin: string, files: { conf: string; log: string }): Running {
  const log = openSync(files.log, "a");
  const child = spawnWatched(bin, ["-c", files.conf], {
    stdio: ["ignore", log, log],
    // Ctrl-C reaches a whole group: whoever stops in order then needs the server still, and ends it itself.
    detached: HAS_SIGNALS,
  });
  closeSync(log);
  const exited = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  }).then(() => {
    running.over = true;
  });
  const running: Running = { pid: child.pid ?? 0, exited, over: false };
  child.unref();
  return running;
}

/** Ends a process; by force when it takes longer than 5 s. */
export async function end(running: Running, how: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (running.over) return;
  signal(running, how);
  if (HAS_SIGNALS) signal(running, "SIGCONT"); // a frozen process takes no SIGTERM
  const force = setTimeout(() => signal(running, "SIGKILL"), STOP_MS);
  await running.exited;
  clearTimeout(force);
}

/** Sends a signal, unless the process is over. */
export function signal(running: Running, name: NodeJS.Signals): void {
  if (running.over) return;
  try {
    process.kill(running.pid, name);
  } catch (error) {
    // It has just ended, and the event that says so is under way.
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** Freezes a process; resolves when none of its threads runs any longer, which is later than the signal was sent. */
export async function freeze(running: Running): Promise<void> {
  signal(running, "SIGSTOP");
  for (const until = Date.now() + STOP_MS; Date.now() < until && !running.over;) {
    if (await stopped(running.pid)) return;
    await sleep(5);
  }
}

/** True when every thread is stopped; where the system does not tell, a moment is waited instead. */
async function stopped(pid: number): Promise<boolean> {
  const folder = `/proc/${pid}/task`;
  const threads = await readdir(folder).catch(() => undefined);
  if (threads === undefined) return await sleep(100, true);
  const states = await Promise.all(threads.map(async (thread) => {
    const stat = await readFile(`${folder}/${thread}/stat`, "utf8").catch(() => "");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
  }));
  return states.every((state) => state === "T" || state === "");
}

/** Resolves when the server named `name` greets with its INFO, or says in its log that it is ready (TLS first). */
export async function ready(
  running: Running,
  port: number,
  name: string,
  log: () => Promise<string>,
): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until;) {
    if (running.over) throw new Error("it ended at once");
    const greeting = await greet(port);
    if (greeting.includes(`"server_name":"${name}"`)) return;
    if (greeting === "" && (await log()).includes("Server is ready")) return;
    await sleep(greeting === "refused" ? 10 : 50);
  }
  throw new Error(`it took no connection within ${READY_MS} ms`);
}

/** What the server says first; empty when it waits for us to speak. */
function greet(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const done = (text: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(() => done(""), 300);
    socket.once("data", (data) => done(data.toString()));
    socket.once("error", () => done("refused"));
    socket.once("close", () => done("refused"));
  });
}
