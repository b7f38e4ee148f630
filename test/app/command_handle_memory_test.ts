// What a process remembers of the commands that it has sent: nothing of those that have ended, and a bounded number of others.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { CommandRecords } from "../../src/app/command_records.ts";
import type { Tracked } from "../../src/app/command_tracked.ts";
import { CommandTracker } from "../../src/app/command_tracker.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import { type CommandRecord, pendingRecord } from "../../src/domain/command_record.ts";
import type { Message } from "../../src/ports/messaging.ts";

/** A tracker, what it subscribes to, and which records it reads. */
function scene(): {
  tracker: CommandTracker;
  read: string[];
  subjects: string[];
  tell(subject: string, body: string): void;
} {
  const read: string[] = [];
  const subjects: string[] = [];
  let listeners: { pattern: string; onMessage(message: Message): void }[] = [];
  const transport = {
    status: "connected",
    onStatus: () => () => {},
    messaging: {
      flush: () => Promise.resolve(),
      header: () => undefined,
      subscribe: (pattern: string, { onMessage }: { onMessage(message: Message): void }) => {
        subjects.push(pattern);
        const listener = { pattern, onMessage };
        listeners.push(listener);
        return {
          drain: () => {
            listeners = listeners.filter((other) => other !== listener);
            return Promise.resolve();
          },
        };
      },
    },
  };
  const codec = createJsonCodec();
  const runtime = {
    transport,
    codec,
    codecs: [codec],
    random: { spanId: () => "0123456789abcdef" },
    clock: { setTimer: () => ({ cancel: () => {} }), monotonic: () => 0, now: () => 0 },
  } as unknown as Runtime;
  const records = {
    read: (token: string) => {
      read.push(token);
      const facts = {
        id: token,
        service: "jobs",
        command: "work",
        priority: "normal",
        maxRetries: 0,
        timeoutMs: 1,
        createdAt: 0,
      } as const;
      const record: CommandRecord = {
        ...pendingRecord(facts, undefined),
        state: "completed",
        result: "kept",
      };
      return Promise.resolve({ record, revision: 1 });
    },
  } as unknown as CommandRecords;
  return {
    tracker: new CommandTracker(runtime, records),
    read,
    subjects,
    tell: (subject, body) => {
      const message = { subject, data: new TextEncoder().encode(body), ascii: body } as Message;
      for (const { pattern, onMessage } of [...listeners]) {
        const [before] = pattern.split("*");
        if (subject.startsWith(before!)) onMessage(message);
      }
    },
  };
}

/** Sends as many commands, of which nobody asks for anything. */
function send(tracker: CommandTracker, count: number) {
  return Array.from({ length: count }, () => {
    const id = tracker.nextId();
    return tracker.track(id, { id, service: "jobs", command: "work" }, true);
  });
}

test("all that a process sends it hears of by two subscriptions", () => {
  const { tracker, subjects } = scene();
  for (const tracked of send(tracker, 100)) tracker.observe(tracked, { end: () => {} });
  deepStrictEqual(subjects, [
    "commands.progress.0123456789abcdef.*",
    "commands.callback.0123456789abcdef.*",
  ]);
});

test("what has ended is remembered by nobody but its handle", () => {
  const { tracker, tell } = scene();
  const [first] = send(tracker, 1);
  for (let n = 0; n < 150_000; n++) {
    const [{ id }] = send(tracker, 1) as [Tracked];
    tell(`commands.callback.${id}`, `{"command_id":"${id}","status":"completed","result":"told"}`);
  }
  // The first one would have had to go if the others were remembered.
  strictEqual(first!.own, true);
  tell(`commands.callback.${first!.id}`, `{"command_id":"x","status":"completed","result":"told"}`);
  deepStrictEqual(first!.ending, { result: "told" });
  // A handle that asks for one that has ended gets a new place, and hears nothing from the old one.
  const again = tracker.track(first!.token, first!);
  strictEqual(again === first, false);
});

test("of more than a process remembers the oldest that nobody asks for is read from its record", async () => {
  const { tracker, read, tell } = scene();
  const [asked, idle] = send(tracker, 2);
  let result: unknown;
  tracker.observe(asked!, { end: (ending) => result = ending });
  send(tracker, 100_000);
  tell(`commands.callback.${asked!.id}`, `{"command_id":"x","status":"completed","result":"told"}`);
  deepStrictEqual(result, { result: "told" });
  tell(`commands.callback.${idle!.id}`, `{"command_id":"x","status":"completed","result":"told"}`);
  strictEqual(idle!.ending, undefined);
  const ending = await new Promise<{ record: CommandRecord }>((resolve) =>
    tracker.observe(idle!, { end: (end) => resolve(end as { record: CommandRecord }) })
  );
  strictEqual(ending.record.result, "kept");
  deepStrictEqual(read, [idle!.token]);
});
