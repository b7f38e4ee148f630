// The proof of discovery: calls of selected instances, while these are killed, frozen, cut off and restarted at random.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AegisError,
  type Bus,
  type CallOptions,
  connect,
  createClient,
  createDiscovery,
  createLogger,
  type Discovery,
} from "../../mod.ts";
import { partsOf } from "../../src/app/bus.ts";
import { watchFolder } from "../../tools/guard.ts";
import type { NatsServer } from "../../tools/nats_server.ts";
import type { Runtime } from "../../tools/runtime.ts";
import { Victim } from "./discovery_victim.ts";
import { pause } from "./instances.ts";

/** How much, and what goes wrong meanwhile. */
export interface DiscoveryProofOptions {
  readonly server: NatsServer;
  /** What the instances run on. */
  readonly runtime: Runtime;
  /** How many instances. */
  readonly instances: number;
  /** Of how many something goes wrong at a time. */
  readonly troubles: number;
  /** How many calls are made at a time. */
  readonly callers: number;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** For how long, in milliseconds. */
  readonly overMs: number;
}

/** How long the view took to be right again, by what happened, in milliseconds. */
export type Delays = Readonly<Record<string, readonly number[]>>;

/** What came of it. */
export interface DiscoveryProofReport {
  /** What was not as it should be. */
  readonly faults: readonly string[];
  /** How long it took until an instance was gone or there for whoever looks. */
  readonly delays: Delays;
  /** What it may take: TTL and one heartbeat. */
  readonly boundMs: number;
  /** How many calls there were, and how they ended, by the codes of their errors. */
  readonly calls: Readonly<Record<string, number>>;
  /** How many attempts of calls were sent to an instance alone. */
  readonly directed: number;
  /** How many changes a watch told meanwhile. */
  readonly changes: number;
}

const SERVICE = "proof";
const SUBJECT = `rpc.${SERVICE}.work.`;
/** The way of each call, in turn. */
const WAYS: readonly CallOptions[] = [
  { select: "round_robin" },
  { select: "random" },
  { select: "least_loaded" },
  { select: "sticky", key: "" },
  { instance: "" },
];
const CALL_MS = 1_000;
const KINDS = ["kill", "kill and start", "freeze", "cut off", "restart"] as const;

/** Lets it all happen, and judges. */
export async function proveDiscovery(
  options: DiscoveryProofOptions,
): Promise<DiscoveryProofReport> {
  const { server, ttlMs, heartbeatMs, instances, troubles, callers, overMs } = options;
  const folder = await mkdtemp(join(tmpdir(), "aegis-proof-"));
  watchFolder(folder);
  const logger = createLogger({ level: "silent" });
  await using bus = await connect({ servers: server.url, logger });
  await using discovery = createDiscovery({ bus });
  const victims = Array.from(
    { length: instances },
    (_, i) => new Victim({ ...options, name: `i${i}`, notes: join(folder, `${i}.txt`) }),
  );
  const proof = new Proof(bus, discovery, victims, ttlMs + heartbeatMs);
  const over = new AbortController();
  try {
    await Promise.all(victims.map((victim) => victim.start()));
    await proof.begin();
    const timer = setTimeout(() => over.abort(), overMs);
    await Promise.all([
      ...Array.from({ length: troubles }, () => proof.disturb(ttlMs, over.signal)),
      ...Array.from({ length: callers }, () => proof.call(over.signal)),
    ]);
    clearTimeout(timer);
    await proof.end();
    const ran = (await Promise.all(victims.map(async (_, i) =>
      (await readFile(join(folder, `${i}.txt`), "utf8")).split("\n").slice(0, -1)
    ))).flat();
    const twice = ran.length - new Set(ran).size;
    if (twice > 0) {
      proof.faults.push(`${twice} calls ran twice`);
    }
    return proof.report();
  } finally {
    over.abort();
    await Promise.all(victims.map((victim) => victim.end()));
    await rm(folder, { recursive: true, force: true });
  }
}

/** The proof while it goes on. */
class Proof {
  readonly faults: string[] = [];
  readonly #bus: Bus;
  readonly #discovery: Discovery;
  readonly #victims: readonly Victim[];
  readonly #idle: Victim[];
  readonly #boundMs: number;
  readonly #delays: Record<string, number[]> = {};
  readonly #calls: Record<string, number> = {};
  /** Who is there, as the watch has told, and when each began. */
  readonly #followed = new Map<string, number | undefined>();
  #directed = 0;
  #changes = 0;
  #ids = 0;
  #watching: Promise<void> = Promise.resolve();

  constructor(bus: Bus, discovery: Discovery, victims: readonly Victim[], boundMs: number) {
    this.#bus = bus;
    this.#discovery = discovery;
    this.#victims = victims;
    this.#idle = [...victims];
    this.#boundMs = boundMs;
  }

  /** Waits until all are known, and listens to what is sent. */
  async begin(): Promise<void> {
    this.#spy();
    this.#watching = this.#follow();
    for (const { name } of this.#victims) await this.#until("found", name, true);
  }

  /** Does something to one instance after the other. */
  async disturb(ttlMs: number, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const [victim] = this.#idle.splice(Math.floor(Math.random() * this.#idle.length), 1);
      if (victim === undefined) throw new Error("There are more troubles than instances");
      await this.#trouble(victim, ttlMs);
      this.#idle.push(victim);
      await pause(200 * Math.random(), over);
    }
  }

  async #trouble(victim: Victim, ttlMs: number): Promise<void> {
    const { name } = victim;
    const kind = KINDS[Math.floor(Math.random() * KINDS.length)]!;
    const before = await this.#startedAt(name);
    // From what nobody has to notice to what everybody must.
    const ms = ttlMs * (0.3 + 2.2 * Math.random());
    const isLong = ms > this.#boundMs;
    switch (kind) {
      case "kill":
        victim.kill();
        await this.#until("killed", name, false);
        await victim.start();
        await this.#until("started", name, true);
        break;
      case "kill and start":
        victim.kill();
        await victim.start();
        await this.#until("started", name, true, before);
        break;
      case "restart":
        await victim.stop();
        await this.#until("stopped", name, false);
        await victim.start();
        await this.#until("started", name, true);
        break;
      case "freeze":
      case "cut off": {
        const isFreeze = kind === "freeze";
        if (isFreeze) victim.freeze();
        else victim.cut();
        const at = performance.now();
        if (isLong) await this.#until(isFreeze ? "frozen" : "cut off", name, false);
        await pause(at + ms - performance.now());
        if (isFreeze) victim.thaw();
        else victim.mend(Math.random() < 0.5);
        await this.#until(isFreeze ? "thawed" : "mended", name, true);
      }
    }
    await this.#agree();
  }

  /** Calls by all ways, one call after the other. */
  async call(over: AbortSignal): Promise<void> {
    const client = createClient({ bus: this.#bus });
    while (!over.aborted) {
      const id = ++this.#ids;
      const way = WAYS[id % WAYS.length]!;
      const named = way.instance === undefined
        ? undefined
        : (await this.#discovery.discover(SERVICE))[id % this.#victims.length]?.instanceId;
      const options: CallOptions = {
        timeoutMs: CALL_MS,
        ...way,
        ...(way.select === "sticky" ? { key: `${id}` } : {}),
        ...(named === undefined ? {} : { instance: named }),
      };
      if (options.instance === "") continue;
      let outcome = "ok";
      try {
        await client.call<string>(SERVICE, "work", { id }, options);
      } catch (error) {
        outcome = AegisError.is(error) ? error.code : String(error);
        // Whoever is frozen or cut off and not known to be says nothing; but others are there for what met nobody.
        if (outcome !== "TIMEOUT") this.faults.push(`call ${id}: ${error}`);
      }
      this.#calls[outcome] = (this.#calls[outcome] ?? 0) + 1;
      await pause(2, over);
    }
  }

  /** Waits until all is quiet. */
  async end(): Promise<void> {
    await this.#agree();
    await this.#discovery.close();
    await this.#watching;
  }

  report(): DiscoveryProofReport {
    return {
      faults: this.faults,
      delays: this.#delays,
      boundMs: this.#boundMs,
      calls: this.#calls,
      directed: this.#directed,
      changes: this.#changes,
    };
  }

  /** Looks at each request as it goes out: it must not go to one that is known, or has to be known, to be gone. */
  #spy(): void {
    const { runtime: { transport: { messaging } }, directory } = partsOf(this.#bus, "the proof");
    const publish = messaging.publish.bind(messaging);
    const spied: typeof messaging.publish = (subject, ...rest) => {
      if (subject.startsWith(SUBJECT)) {
        const name = subject.slice(SUBJECT.length);
        const { condition, since } = this.#victims.find((victim) => victim.name === name)!;
        const ms = performance.now() - since;
        this.#directed++;
        if (directory.hasGone(SERVICE, name)) {
          this.faults.push(`a call went to ${name}, which was known to be gone`);
        }
        if (condition !== "up" && condition !== "starting" && ms > this.#boundMs) {
          this.faults.push(
            `a call went to ${name}, which was ${condition} for ${Math.round(ms)} ms`,
          );
        }
      }
      publish(subject, ...rest);
    };
    Object.defineProperty(messaging, "publish", { value: spied });
  }

  async #follow(): Promise<void> {
    for await (const { type, instance } of this.#discovery.watch(SERVICE)) {
      const { instanceId, startedAt } = instance;
      this.#changes++;
      if (this.#followed.has(instanceId) !== (type !== "joined")) {
        this.faults.push(`the watch told that ${instanceId} ${type}, which it was already`);
      }
      if (type === "left") this.#followed.delete(instanceId);
      else this.#followed.set(instanceId, startedAt);
    }
  }

  async #startedAt(name: string): Promise<number | undefined> {
    const all = await this.#discovery.discover(SERVICE);
    return all.find(({ instanceId }) => instanceId === name)?.startedAt;
  }

  /** Waits until the view is right about an instance, and notes how long that took. */
  async #until(what: string, name: string, isThere: boolean, before?: number): Promise<void> {
    const { since } = this.#victims.find((victim) => victim.name === name)!;
    const delays = this.#delays[what] ??= [];
    for (;;) {
      const startedAt = await this.#startedAt(name);
      const ms = performance.now() - since;
      const isRight = (startedAt !== undefined) === isThere &&
        (before === undefined || startedAt !== before);
      if (isRight) {
        delays.push(ms);
        if (ms > this.#boundMs) {
          this.faults.push(`${name} was ${what}, which was known ${Math.round(ms)} ms later`);
        }
        return;
      }
      if (ms > this.#boundMs * 5) {
        throw new Error(`${name} was ${what} ${Math.round(ms)} ms ago, and nobody knows it`);
      }
      await pause(5);
    }
  }

  /** Whoever follows the watch knows what whoever looks finds. */
  async #agree(): Promise<void> {
    let found: [string, number | undefined][] = [];
    for (const end = performance.now() + 500; performance.now() < end; await pause(5)) {
      const all = await this.#discovery.discover(SERVICE);
      found = all.map(({ instanceId, startedAt }) => [instanceId, startedAt]);
      const isSame = found.length === this.#followed.size &&
        found.every(([name, startedAt]) => this.#followed.get(name) === startedAt);
      if (isSame) return;
    }
    this.faults.push(
      `the watch has told ${JSON.stringify([...this.#followed])}, and found is ${
        JSON.stringify(found)
      }`,
    );
  }
}

/** The report in words. */
export function discoveryReportText(report: DiscoveryProofReport): string {
  const { faults, delays, boundMs, calls, directed, changes } = report;
  const lines = Object.entries(delays).map(([what, all]) => {
    const sorted = [...all].sort((a, b) => a - b);
    const [median, most] = [sorted[sorted.length >> 1]!, sorted.at(-1)!].map(Math.round);
    return `  ${what.padEnd(8)} ${String(all.length).padStart(4)} times, known after ${
      String(median).padStart(5)
    } ms, at most ${String(most).padStart(5)} ms`;
  });
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  return [
    `instances are known as they are within ${boundMs} ms (TTL and one heartbeat):`,
    ...lines,
    `  ${total} calls: ${Object.entries(calls).map(([code, n]) => `${n} ${code}`).join(", ")}`,
    `  ${directed} attempts went to an instance alone, ${changes} changes were told to a watch`,
    ...faults.slice(0, 20).map((fault) => `  FAULT ${fault}`),
    ...(faults.length > 20 ? [`  … ${faults.length} faults in all`] : []),
  ].join("\n");
}
