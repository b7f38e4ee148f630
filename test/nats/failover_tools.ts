// Processes that stand for election, a client that calls their leader without a pause, and what they have noted.

import { deepStrictEqual, ok } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { AegisError, type Bus, type Client, connect, createClient } from "../../mod.ts";
import { watchChild } from "../../tools/guard.ts";
import { findDeno, findNode } from "../../tools/runtime.ts";
import { leadersOf, LEDGER, type Ledger, type Note, notesOf, setbacks } from "./failover_notes.ts";
import { logger, pause, until } from "./outage_tools.ts";

/** Within what time after its last answer nobody sends any more to a process that has died, on a busy machine. */
const DEATH_MS = 300;
const PROGRAM = fileURLToPath(new URL("failover_program.ts", import.meta.url));
const runtime = "Deno" in globalThis ? await findDeno() : await findNode();

/** One process. */
export interface Candidate {
  readonly who: string;
  readonly pid: number;
  readonly ended: Promise<unknown>;
  /** Not by `child.kill()`, which on Deno does nothing the second time. */
  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL" | "SIGTERM"): void;
}

/** What a test has. */
export interface Group {
  readonly bus: Bus;
  readonly client: Client;
  notes(): Note[];
  /** The leader by what was noted last; undefined while nobody acts. */
  leader(): Note | undefined;
  /** The same, once somebody acts. */
  leading(): Promise<Note>;
  /** Starts an instance; resolves when it has started. */
  start(who: string, servers?: string): Promise<Candidate>;
  /** Resolves when another than `before` acts as the leader. */
  follows(before: string): Promise<Note>;
  /** Calls that are made every 10 ms from now on, until `end()`. */
  load(method?: string): Load;
}

/** A call that was answered. Times are those of `performance.now()`. */
export interface Answer {
  readonly begunAt: number;
  readonly at: number;
  readonly who: string;
  readonly token: number;
}

/** A call that failed. */
export interface Failed {
  readonly begunAt: number;
  readonly at: number;
  readonly code: string;
}

/** Calls of the leader. */
export interface Load {
  readonly answers: readonly Answer[];
  readonly failures: readonly Failed[];
  /** The leader is about to be struck: calls that are open between now and the first answer of the next one may fail. */
  strike(): void;
  /** The failures of calls that were not open then; of a leader that died, those that it cannot have had in hand. */
  unexcused(how?: "died"): Failed[];
  /** The longest time without an answer, in milliseconds. */
  longestGapMs(): number;
  /** After each strike, how long it took until the next leader had answered, in milliseconds, the shortest first. */
  takeoversMs(): number[];
  end(): Promise<void>;
}

/** How a test is set up. */
export interface GroupOptions {
  readonly servers: readonly string[];
  readonly policy?: string;
  readonly replicas?: number;
  /** How many leaders the test makes, one after the other. */
  readonly leaders?: number;
}

/**
 * Runs a test on processes. At its end nobody has acted as the leader after another one, and the shared record has gone
 * forward alone.
 *
 * A process that a busy machine lets stand still for a lease loses its place, and what it has in hand: with more leaders than
 * the test has made, what it has found is not of what it does, and it is run again.
 */
export async function withGroup(
  options: GroupOptions,
  body: (group: Group) => Promise<void>,
): Promise<void> {
  for (let left = 2;; left--) {
    let disturbed = false;
    await runGroup(options, async (group) => {
      try {
        await body(group);
      } catch (error) {
        const made = leadersOf(group.notes()).length;
        disturbed = left > 0 && made > (options.leaders ?? Infinity);
        if (!disturbed) throw error;
        console.log(`There were ${made} leaders; once more: ${error}`);
      }
    });
    if (!disturbed) return;
  }
}

async function runGroup(
  { servers, policy = "aggressive", replicas = 1 }: GroupOptions,
  body: (group: Group) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "failover-"));
  const file = join(folder, "notes");
  await writeFile(file, "");
  const bus = await connect({ servers: [...servers], logger, replicas });
  const children: ChildProcess[] = [];
  const loads: Load[] = [];
  const ledger = await bus.kv<Ledger>(LEDGER);
  const written: Ledger[] = [];
  const watch = ledger.watch({ key: LEDGER });
  const watching = (async () => {
    for await (const { entry } of watch) if (entry !== undefined) written.push(entry.value);
  })();
  const client = createClient({ bus });
  const notes = (): Note[] => notesOf(file);
  const leader = (): Note | undefined => {
    const last = notes().filter(({ what }) => what === "acts").at(-1);
    return last !== undefined && Date.now() - last.at < 200 ? last : undefined;
  };
  try {
    await body({
      bus,
      client,
      notes,
      leader,
      async start(who, url = servers.join(",")) {
        const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
        const args = [PROGRAM, url, file, who, policy, String(replicas)];
        const child = spawn(runtime.bin, [...flags, ...args], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        watchChild(child);
        children.push(child);
        const ended = new Promise((resolve) => child.once("close", resolve));
        await new Promise((resolve, reject) => {
          child.stdout.once("data", resolve);
          ended.then(() => reject(new Error(`${who} did not start`)));
        });
        const { pid } = child;
        return { who, pid: pid!, ended, signal: (name) => void process.kill(pid!, name) };
      },
      async leading() {
        let now: Note | undefined;
        await until("somebody leads", () => (now = leader()) !== undefined, 30_000);
        return now!;
      },
      async follows(before) {
        await until(`${before} is followed`, () => {
          const now = leader();
          return now !== undefined && now.who !== before;
        }, 30_000);
        return leader()!;
      },
      load(method = "who") {
        const load = loadOf(client, method);
        loads.push(load);
        return load;
      },
    });
    deepStrictEqual(setbacks(notes()), []);
    await pause(100);
    await watch.stop();
    await watching;
    for (const [index, { token, count }] of written.entries()) {
      const before = written[index - 1];
      if (before === undefined) continue;
      ok(token >= before.token && count > before.count, `${token} after ${before.token}`);
    }
  } finally {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      process.kill(child.pid!, "SIGKILL");
    }
    await bus.close();
    // A test that has failed has not ended them, and they would keep the process for ever.
    for (const load of loads) await load.end();
    await rm(folder, { recursive: true });
  }
}

function loadOf(client: Client, method: string): Load {
  const answers: Answer[] = [];
  const failures: Failed[] = [];
  const strikes: number[] = [];
  const open = new Set<Promise<void>>();
  const call = async (): Promise<void> => {
    const begunAt = performance.now();
    try {
      const answer = await client.call<[string, ...number[]]>("ledger", method, {}, {
        timeoutMs: 5_000,
      });
      const [at, token] = [performance.now(), answer.at(-1) as number];
      answers.push({ begunAt, at, who: answer[0], token });
    } catch (error) {
      const code = AegisError.is(error) ? error.code : String(error);
      failures.push({ begunAt, at: performance.now(), code });
    }
  };
  const ledBefore = (strike: number): number =>
    answers.findLast(({ at }) => at < strike)?.token ?? 0;
  const followedAt = (strike: number): number => {
    const before = ledBefore(strike);
    return answers.find(({ at, token }) => at > strike && token > before)?.at ?? Infinity;
  };
  // A process that is killed may go on for a while, where many want to run.
  const diedAt = (strike: number): number => {
    const before = ledBefore(strike);
    return Math.max(strike, answers.findLast(({ token }) => token === before)?.at ?? strike);
  };
  const timer = setInterval(() => {
    const made = call().finally(() => open.delete(made));
    open.add(made);
  }, 10);
  return {
    answers,
    failures,
    strike: () => void strikes.push(performance.now()),
    unexcused: (how) =>
      failures.filter(({ begunAt, at }) =>
        !strikes.some((strike) => {
          const until = how === "died" ? diedAt(strike) + DEATH_MS : followedAt(strike);
          return at > strike && begunAt < until;
        })
      ),
    longestGapMs() {
      let longest = 0;
      for (let i = 1; i < answers.length; i++) {
        longest = Math.max(longest, answers[i]!.at - answers[i - 1]!.at);
      }
      return longest;
    },
    takeoversMs: () => strikes.map((strike) => followedAt(strike) - strike).sort((x, y) => x - y),
    async end() {
      clearInterval(timer);
      await Promise.all(open);
    },
  };
}
