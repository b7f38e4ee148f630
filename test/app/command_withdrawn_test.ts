// The word in a queue that a command was taken back: it goes with its command, whatever the broker cannot do for a moment.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { command, connect, createClient, createService, UnavailableError } from "../../mod.ts";
import { createMemoryTransport, memoryBroker } from "../../src/adapters/memory/transport.ts";
import { createRandom } from "../../src/adapters/system/random.ts";
import { createClock } from "../../src/adapters/system/clock.ts";
import type { BusStreams } from "../../src/app/bus_streams.ts";
import { leaveWord } from "../../src/app/command_withdrawn.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import type { CommandRecord } from "../../src/domain/command_record.ts";
import { TimeoutError } from "../../src/domain/error.ts";
import type { Streams, StreamStore } from "../../src/ports/stream.ts";
import { recordingLogger, until } from "./buses.ts";

const STREAM = "COMMANDS_jobs";
let brokers = 0;

/** A bus whose store does some things otherwise. */
async function busWith(otherwise: (store: StreamStore) => Partial<StreamStore>) {
  const transport = createMemoryTransport(memoryBroker(`memory:withdrawn-${++brokers}`));
  const { admin, view, store } = transport.streams!;
  const streams: Streams = { admin, view, store: { ...store, ...otherwise(store) } };
  Object.defineProperty(transport, "streams", { value: streams });
  const bus = await connect({ transport, logger: recordingLogger([]) });
  const subjects = async (): Promise<string[]> => {
    const found: string[] = [];
    for (let sequence = 1;;) {
      const message = await store.read(STREAM, sequence, ">");
      if (message === undefined) return found;
      found.push(message.subject);
      sequence = message.sequence + 1;
    }
  };
  return { bus, streams, subjects };
}

test("word that cannot be removed for a moment leaves the queue with its command all the same", async () => {
  let refusals = 0;
  const { bus, subjects } = await busWith((store) => ({
    last: (stream, subject, options) => {
      if (!subject.includes("=withdrawn") || refusals === 2) {
        return store.last(stream, subject, options);
      }
      refusals++;
      return Promise.reject(new UnavailableError("no leader"));
    },
  }));
  await using _ = bus;
  const client = createClient({ bus });
  const job = await client.send("jobs", "work");
  await job.cancel("no");
  deepStrictEqual((await subjects()).length, 2);
  let ran = 0;
  const work = command("work", () => void ran++);
  await using service = createService("jobs", { bus, handlers: [work], registry: false });
  await service.start();
  await until(async () => (await subjects()).length === 0);
  deepStrictEqual([refusals, ran, (await job.status()).state], [2, 0, "cancelled"]);
});

for (const lost of ["answer", "message"] as const) {
  test(`word whose ${lost} was lost is taken back, and that of another is left`, async () => {
    let losing = false;
    const { bus, streams, subjects } = await busWith((store) => ({
      publish: async (...args) => {
        if (!losing) return await store.publish(...args);
        losing = false;
        if (lost === "answer") await store.publish(...args);
        throw new TimeoutError("no answer", { details: { sent: true } });
      },
    }));
    await using _ = bus;
    const job = await createClient({ bus }).send("jobs", "work");
    const record = { ...await job.status() } as CommandRecord;
    const runtime = { clock: createClock(), random: createRandom() } as unknown as Runtime;
    const bound = { ports: streams, name: () => Promise.resolve(STREAM) } as unknown as BusStreams;
    const leave = () =>
      leaveWord(runtime, bound, { by: "x", version: "1.0.0" }, { token: "t", record, revision: 1 });
    await leave();
    losing = true;
    const unsay = await leave();
    strictEqual((await subjects()).length, lost === "answer" ? 3 : 2);
    await unsay();
    deepStrictEqual(
      (await subjects()).filter((subject) => subject.includes("=withdrawn")).length,
      1,
    );
  });
}
