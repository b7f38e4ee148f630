// A victim of the proof of discovery: an instance in a process of its own that is killed, frozen or cut off, and comes back.

import { type ChildProcess, spawn } from "node:child_process";
import { connect as dial, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { watchChild } from "../../tools/guard.ts";
import { freePorts, type NatsServer } from "../../tools/nats_server.ts";
import type { Runtime } from "../../tools/runtime.ts";

/** How a victim is. */
export type Condition = "up" | "starting" | "stopped" | "killed" | "frozen" | "cut off";

/** What a victim is made of. */
export interface VictimOptions {
  readonly name: string;
  readonly runtime: Runtime;
  readonly server: NatsServer;
  /** Where it notes its calls. */
  readonly notes: string;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
}

/** A way to a server that can be cut as a network is: connections stay open, and nothing comes through. */
class Way {
  readonly url: string;
  readonly #listener: Server;
  readonly #open = new Set<Socket>();
  #isCut = false;

  private constructor(listener: Server, port: number) {
    this.#listener = listener;
    this.url = `nats://127.0.0.1:${port}`;
  }

  static async to(server: NatsServer): Promise<Way> {
    const [port] = await freePorts(1);
    const listener = createServer((near) => {
      const far = dial({ port: server.port, host: "127.0.0.1" });
      for (const [from, to] of [[near, far], [far, near]] as const) {
        way.#open.add(from);
        from.on("error", () => {}).on("close", () => {
          way.#open.delete(from);
          to.destroy();
        });
        from.on("data", (data) => void to.write(data));
        if (way.#isCut) from.pause();
      }
    });
    const way = new Way(listener, port!);
    await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve));
    return way;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.pause();
  }

  /** Lets through what has waited; or breaks all connections, as the end of a long outage does. */
  mend(breaks: boolean): void {
    this.#isCut = false;
    for (const socket of this.#open) {
      if (breaks) socket.destroy();
      else socket.resume();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#listener.close(resolve));
  }
}

/** An instance, and how it is. */
export class Victim {
  readonly name: string;
  /** How it is, and since when, on this process's clock that never goes back. */
  condition: Condition = "stopped";
  since = 0;
  readonly #options: VictimOptions;
  #way: Way | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: VictimOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Starts it; resolves when it says that it works. */
  async start(): Promise<void> {
    const { runtime, server, notes, name, ttlMs, heartbeatMs } = this.#options;
    this.#way ??= await Way.to(server);
    const program = fileURLToPath(new URL("discovery_instance.ts", import.meta.url));
    const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
    const args = [...flags, program, this.#way.url, notes, name, `${ttlMs}`, `${heartbeatMs}`];
    // From here on it may be there, before it has said so.
    this.#is("starting");
    const child = spawn(runtime.bin, args, {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    watchChild(child);
    this.#child = child;
    this.#ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once("line", () => resolve());
      child.once("close", () => reject(new Error(`${name} ended before it worked`)));
    });
    this.#is("up");
  }

  /** Ends it as a crash does. */
  kill(): void {
    this.#is("killed");
    this.#signal("SIGKILL");
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    await this.#ended;
    this.#is("stopped");
  }

  /** Stops its process from running, which its connections do not show. */
  freeze(): void {
    this.#is("frozen");
    this.#signal("SIGSTOP");
  }

  /** Lets it run on. */
  thaw(): void {
    this.#signal("SIGCONT");
    this.#is("up");
  }

  /** Cuts it off from the server, without a word to either. */
  cut(): void {
    this.#is("cut off");
    this.#way?.cut();
  }

  /** Lets it reach the server again. */
  mend(breaks: boolean): void {
    this.#way?.mend(breaks);
    this.#is("up");
  }

  /** Ends all of it. */
  async end(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#ended;
    await this.#way?.close();
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    // Deno takes a process for ended once child.kill() was called, and sends it nothing more.
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(pid, signal);
  }

  #is(condition: Condition): void {
    this.condition = condition;
    this.since = performance.now();
  }
}
