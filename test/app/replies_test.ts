// Answers that are kept: sent until they arrive, also when the server says late that they did not.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createService, rpc, UnavailableError } from "../../mod.ts";
import { createMemoryTransport, ManualClock } from "../../testing.ts";
import { Replies } from "../../src/app/replies.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import type { SubscribeOptions } from "../../src/ports/messaging.ts";
import type { BusStatus } from "../../src/ports/transport.ts";
import { recordingLogger } from "./buses.ts";

/** Replies on a connection that is played by hand. */
function replies() {
  const clock = new ManualClock();
  const sent: string[] = [];
  let heard: SubscribeOptions["onMessage"] = () => {};
  let change: (status: BusStatus) => void = () => {};
  const messaging = {
    connected: false,
    inbox: "in",
    publish(subject: string, body: string, reply = "") {
      if (!messaging.connected) throw new UnavailableError("away");
      sent.push(`${subject} ${body} ${reply}`);
    },
    subscribe(_subject: string, options: SubscribeOptions) {
      heard = options.onMessage;
      return { drain: () => Promise.resolve() };
    },
    isNoResponders: () => true,
  };
  const transport = {
    messaging,
    onStatus(listener: typeof change) {
      change = listener;
      return () => {};
    },
  };
  const logger = recordingLogger([]);
  const made = new Replies({ clock, transport, logger } as unknown as Runtime, "shop");
  made.open();
  return {
    replies: made,
    clock,
    /** What was sent since it was asked last. */
    sent: () => sent.splice(0),
    connect() {
      messaging.connected = true;
      change("connected");
    },
    nobody: (number: number) => heard({ subject: `in.kept.${number}`, data: new Uint8Array(0) }),
  };
}

test("an answer of which the server says late that nobody was there is sent again", () => {
  const { replies: kept, clock, sent, connect, nobody } = replies();
  kept.send("caller.1", "answer", undefined, clock.monotonic() + 60_000);
  connect();
  deepStrictEqual(sent(), ["caller.1 answer in.kept.0"]);
  nobody(0);
  clock.advance(200);
  deepStrictEqual(sent(), ["caller.1 answer in.kept.0"]);
  clock.advance(200);
  deepStrictEqual([sent(), kept.kept], [[], 0]);
  // It took the server longer than the answer was waited for.
  clock.advance(1_000);
  nobody(0);
  deepStrictEqual([sent(), kept.kept], [["caller.1 answer in.kept.1"], 1]);
  nobody(1);
  clock.advance(200);
  deepStrictEqual(sent(), ["caller.1 answer in.kept.1"]);
  clock.advance(200);
  deepStrictEqual([sent(), kept.kept], [[], 0]);
});

test("the server's word of an answer that nobody knows is passed over", () => {
  const { replies: kept, clock, sent, connect, nobody } = replies();
  kept.send("caller.1", "answer", undefined, clock.monotonic() + 60_000);
  connect();
  sent();
  for (let number = 1; number < 100; number++) nobody(number);
  clock.advance(200);
  deepStrictEqual([sent(), kept.kept], [[], 0]);
  // A number that was passed over before says nothing of the answer that gets it.
  nobody(0);
  deepStrictEqual(sent(), ["caller.1 answer in.kept.1"]);
  clock.advance(200);
  deepStrictEqual([sent(), kept.kept], [[], 0]);
  kept.close();
  nobody(1);
  deepStrictEqual([sent(), kept.kept], [[], 0]);
});

test("createService() leaves no trace on the bus, nor does a service that has stopped", async () => {
  const transport = createMemoryTransport();
  const { onStatus } = transport;
  let listeners = 0;
  transport.onStatus = (listener) => {
    listeners++;
    const unsubscribe = onStatus(listener);
    return () => {
      listeners--;
      unsubscribe();
    };
  };
  await using bus = await connect({ transport, logger: recordingLogger([]) });
  // The buckets of a bus have listeners of their own from the first one on; a service has its record in one.
  await bus.kv("first");
  const before = listeners;
  const create = () => createService("shop", { bus, handlers: [rpc("hello", () => "hello")] });
  for (let n = 0; n < 100; n++) create();
  strictEqual(listeners, before);
  for (let n = 0; n < 3; n++) {
    const service = create();
    await service.start();
    strictEqual(listeners, before + 3);
    await service.stop();
    strictEqual(listeners, before);
  }
  await create().stop();
  strictEqual(listeners, before);
});
