// Subjects of commands, and names that are derived from them.

import {
  deepStrictEqual,
  doesNotThrow,
  notStrictEqual,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PRIORITIES } from "../../src/domain/command.ts";
import {
  assertCommandName,
  callbackSubject,
  CANCEL_ALL,
  cancelSubject,
  commandDurable,
  commandStream,
  commandStreamSubject,
  commandSubject,
  DATA_HEADER,
  DELAY_HEADER,
  dueDurable,
  dueSubject,
  LATER_STREAM,
  LATER_SUBJECT,
  parseCommandSubject,
  parseDueSubject,
  progressSubject,
  RECORD_HEADER,
  RECORDS_BUCKET,
  RECORDS_STREAM,
  recordSubject,
  STATE_HEADER,
  waitingSubject,
  withdrawnSubject,
} from "../../src/domain/command_subject.ts";
import { assertDurableName, eventDurable } from "../../src/domain/event_type.ts";
import { isServiceName } from "../../src/domain/subject.ts";

/** Names in which those that mean something elsewhere are likelier than chance would have them. */
const name = fc.oneof(
  fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,4}$/),
  fc.constantFrom("low", "normal", "later", "progress", "commands", "each"),
);
const service = name.filter(isServiceName);
const priority = fc.constantFrom(...PRIORITIES);
const token = fc.constantFrom("a", "a.b", "low", "later.a", "=2A", "normal.later.a");

test("subjects and names are those of the protocol", () => {
  deepStrictEqual(PRIORITIES.map((priority) => commandSubject("shop", "pack", priority)), [
    "commands.shop.pack.critical",
    "commands.shop.pack.high",
    "commands.shop.pack",
    "commands.shop.pack.low",
  ]);
  deepStrictEqual(
    [
      commandStream("shop"),
      commandStreamSubject("shop"),
      progressSubject("id"),
      callbackSubject("id"),
      cancelSubject("id"),
      CANCEL_ALL,
      commandDurable("shop", "pack", "normal"),
      waitingSubject("shop", "pack", "normal", "id"),
      dueSubject("shop", "pack", "low"),
      dueDurable("shop"),
      LATER_STREAM,
      LATER_SUBJECT,
      recordSubject("id"),
      RECORDS_BUCKET,
      RECORDS_STREAM,
    ],
    [
      "COMMANDS_shop",
      "commands.shop.>",
      "commands.progress.id",
      "commands.callback.id",
      "commands.cancel.id",
      "commands.cancel.>",
      "shop=pack+normal",
      "commands_later.waiting.shop.pack.normal.id",
      "commands_later.due.shop.pack.low",
      "shop=due",
      "COMMANDS_LATER",
      "commands_later.>",
      "$KV.command_records.id",
      "command_records",
      "KV_command_records",
    ],
  );
  deepStrictEqual([RECORD_HEADER, DELAY_HEADER, STATE_HEADER, DATA_HEADER], [
    "aegis-record",
    "aegis-delay-ms",
    "aegis-state",
    "aegis-progress-data",
  ]);
});

test("a subject leads back to service, command and priority", () => {
  fc.assert(fc.property(service, name, priority, (service, command, priority) => {
    deepStrictEqual(parseCommandSubject(commandSubject(service, command, priority)), {
      service,
      command,
      priority,
    });
  }));
});

test("what is the subject of no command leads nowhere", () => {
  const tokens = fc.array(fc.oneof(name, fc.constantFrom("", "*", ">", "1", "a b", "critical")), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(tokens, (tokens) => {
      const subject = ["commands", ...tokens].join(".");
      const parsed = parseCommandSubject(subject);
      if (parsed === undefined) return;
      strictEqual(commandSubject(parsed.service, parsed.command, parsed.priority), subject);
    }),
    { numRuns: 2_000 },
  );
  for (
    const subject of [
      "",
      "commands",
      "commands.shop",
      "commands.shop.",
      "command.shop.pack",
      "commands.shop.pack.normal",
      "commands.shop.pack.urgent",
      "commands.shop.pack.",
      "commands.shop.pack.low.",
      "commands.shop.pack.low.x",
      "commands.shop.pack.low.x.y.z",
      "commands.shop.1",
      "commands.progress.id",
      "commands.callback.id",
      "commands.cancel.id.low",
      "$KV.command_records.id",
    ]
  ) strictEqual(parseCommandSubject(subject), undefined, subject);
});

test("a command that waits is alone on its subject, which is no queue's, and what is due names its queue", () => {
  const kind = fc.record({ service, command: name, priority });
  fc.assert(
    fc.property(kind, token, kind, token, (one, token, other, otherToken) => {
      const subject = waitingSubject(one.service, one.command, one.priority, token);
      ok(subject.startsWith(LATER_SUBJECT.slice(0, -1)));
      strictEqual(parseCommandSubject(subject), undefined);
      strictEqual(parseDueSubject(subject), undefined);
      const same = token === otherToken && one.service === other.service &&
        one.command === other.command && one.priority === other.priority;
      const otherSubject = waitingSubject(other.service, other.command, other.priority, otherToken);
      strictEqual(subject === otherSubject, same, `${subject} ${otherSubject}`);
      deepStrictEqual(parseDueSubject(dueSubject(one.service, one.command, one.priority)), {
        ...one,
      });
    }),
    { numRuns: 2_000 },
  );
});

test("consumers of different commands and priorities have different names, which a server takes", () => {
  const few = fc.stringMatching(/^[a-b][ab_-]?$/);
  fc.assert(
    fc.property(few, few, priority, few, few, priority, (s1, c1, p1, s2, c2, p2) => {
      const [one, other] = [commandDurable(s1, c1, p1), commandDurable(s2, c2, p2)];
      assertDurableName(one, "a name");
      strictEqual(one === other, s1 === s2 && c1 === c2 && p1 === p2, `${one} ${other}`);
    }),
    { numRuns: 2_000 },
  );
});

test("no consumer of commands has the name of one of events", () => {
  const pattern = fc.array(fc.oneof(name, priority, fc.constant("*")), {
    minLength: 1,
    maxLength: 3,
  })
    .chain((tokens) => fc.constantFrom(tokens.join("."), `${tokens.join(".")}.>`, ">"));
  const end = fc.constantFrom("", "=+each");
  fc.assert(
    fc.property(
      service,
      name,
      priority,
      pattern,
      end,
      (service, command, priority, pattern, end) => {
        notStrictEqual(
          commandDurable(service, command, priority),
          `${eventDurable(service, pattern)}${end}`,
        );
        strictEqual(/[A-Za-z0-9_-]\+/.test(eventDurable(service, pattern) + end), false);
      },
    ),
    { numRuns: 1_000 },
  );
});

test("names that are too long for a consumer are refused, for each priority alike", () => {
  const [service, command] = ["s".repeat(128), "c".repeat(117)];
  for (const priority of PRIORITIES) {
    assertDurableName(commandDurable(service, command, priority), "a name");
    throws(
      () => commandDurable(service, `${command}c`, priority),
      (error: Error) => error instanceof TypeError && /246 characters.*245/.test(error.message),
    );
  }
  strictEqual(commandDurable(service, command, "critical").length, 255);
});

test("the name of a command is one token that begins with a letter", () => {
  const assertName: (name: unknown) => void = assertCommandName;
  for (const name of ["a", "process_batch", "aB-_9", "progress", "low", "a".repeat(128)]) {
    doesNotThrow(() => assertName(name));
  }
  for (
    const name of ["", "1a", "_a", "a b", "a.b", "*", ">", "a\n", "ä", "a".repeat(129), 1, null]
  ) {
    throws(
      () => assertName(name),
      (error: Error) =>
        error instanceof TypeError && error.message.includes("the name of a command: "),
    );
  }
});

test("word of a command that was taken back is in the queue of its service, and is no command", () => {
  const subject = withdrawnSubject("svc", "a.b");
  strictEqual(subject, "commands.svc.=withdrawn.a.b");
  strictEqual(parseCommandSubject(subject), undefined);
  strictEqual(parseCommandSubject(withdrawnSubject("svc", "high")), undefined);
});
