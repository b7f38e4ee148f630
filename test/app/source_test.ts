// The source of a handler: from where a consumer that is lost is made again, whatever its stream has become.

import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { BusStreams } from "../../src/app/bus_streams.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { Source } from "../../src/app/source.ts";
import type {
  ConsumerConfig,
  ConsumerState,
  PullOptions,
  StreamState,
} from "../../src/ports/stream.ts";
import { CONSUMER, shop, STREAM } from "./resources_tools.ts";

/** What the broker says. */
interface Broker {
  /** When the stream was made. */
  createdAt: number;
  lastSequence: number;
  /** Up to where all is acknowledged. */
  ackFloor: number;
  /** Called when somebody has asked for the consumer. */
  asked(): void;
}

/**
 * A source that has handled the ten events of a stream made at 1; then `run` changes what the broker says, and `look` has the
 * source look, and `second` lets one pass. Gives from where its consumer is made again when that is lost.
 */
async function lostAfter(
  run: (broker: Broker, look: () => Promise<void>, second: () => Promise<void>) => Promise<void>,
): Promise<ConsumerConfig["from"] | undefined> {
  const broker: Broker = { createdAt: 1, lastSequence: 10, ackFloor: 10, asked: () => {} };
  let config: ConsumerConfig | undefined;
  let pull: PullOptions | undefined;
  let timers: { run(): void; isOn: boolean }[] = [];
  const admin = {
    stream: () => Promise.resolve({ config: STREAM, ...broker } as unknown as StreamState),
    consumer(): Promise<ConsumerState | undefined> {
      const { ackFloor } = broker;
      const state = config && { config, pending: 0, ackPending: 0, waiting: 0, ackFloor };
      try {
        broker.asked();
      } catch (error) {
        return Promise.reject(error);
      }
      return Promise.resolve(state);
    },
    putConsumer: (_: string, wanted: ConsumerConfig) => Promise.resolve(void (config = wanted)),
  };
  const store = {
    pull(_: string, _name: string, options: PullOptions) {
      pull = options;
      return { asked: 0, ask: () => {}, close: () => Promise.resolve() };
    },
  };
  const name = () => Promise.resolve("EVENTS");
  const silent = () => {};
  const runtime = {
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    transport: { status: "connected" },
    clock: {
      setTimer(_: number, run: () => void) {
        const timer = { run, isOn: true };
        timers.push(timer);
        return { cancel: () => void (timer.isOn = false) };
      },
    },
  };
  const source = new Source({
    runtime: runtime as unknown as Runtime,
    streams: { ports: { admin, store }, name, renewed: name } as unknown as BusStreams,
    key: "events",
    config: { ...CONSUMER, from: "all" },
    stamp: shop("1.0.0"),
    ephemeral: false,
  });
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  await source.prepare();
  source.open(() => {}, () => {});
  const second = async () => {
    const due = timers.filter(({ isOn }) => isOn);
    timers = [];
    due.forEach((timer) => timer.run());
    await settled();
  };
  const look = async () => {
    // Something has come, and its second is over.
    pull!.onDelivery({} as Parameters<PullOptions["onDelivery"]>[0]);
    await second();
  };
  await run(broker, look, second);
  config = undefined;
  pull!.onGone();
  await settled();
  return (config as ConsumerConfig | undefined)?.from;
}

test("a consumer that is lost goes on after what was done", async () => {
  deepStrictEqual(await lostAfter(() => Promise.resolve()), { sequence: 11 });
  const later = await lostAfter(async (broker, look) => {
    broker.lastSequence = 20;
    broker.ackFloor = 15;
    await look();
  });
  deepStrictEqual(later, { sequence: 16 });
  // As where another instance has made it again, which had looked before.
  const earlier = await lostAfter(async (broker, look) => {
    broker.ackFloor = 7;
    await look();
  });
  deepStrictEqual(earlier, { sequence: 11 });
});

test("of another stream of that name nothing is passed over but what was done of it", async () => {
  const unseen = await lostAfter((broker) => {
    broker.createdAt = 2;
    return Promise.resolve();
  });
  deepStrictEqual(unseen, "all");
  const seen = await lostAfter(async (broker, look) => {
    Object.assign(broker, { createdAt: 2, lastSequence: 12, ackFloor: 2 });
    await look();
  });
  deepStrictEqual(seen, { sequence: 3 });
  const further = await lostAfter(async (broker, look) => {
    Object.assign(broker, { createdAt: 2, lastSequence: 1_000, ackFloor: 900 });
    await look();
  });
  deepStrictEqual(further, "all");
  const between = await lostAfter(async (broker, look) => {
    // The consumer of the first stream answers, and then that is replaced.
    broker.ackFloor = 5;
    broker.asked = () =>
      void Object.assign(broker, { createdAt: 2, lastSequence: 12, ackFloor: 0, asked: () => {} });
    await look();
  });
  deepStrictEqual(between, { sequence: 1 });
});

test("a stream that has lost its end gives its places again", async () => {
  const cut = await lostAfter(async (broker, look) => {
    Object.assign(broker, { lastSequence: 4, ackFloor: 2 });
    await look();
    broker.lastSequence = 20;
    await look();
  });
  deepStrictEqual(cut, { sequence: 3 });
});

test("a look that fails is followed by another one in some seconds, also where nothing comes", async () => {
  const found = await lostAfter(async (broker, look, second) => {
    broker.lastSequence = broker.ackFloor = 15;
    broker.asked = () => {
      throw new Error("no answer");
    };
    await look();
    broker.asked = () => {};
    for (let seconds = 0; seconds < 3; seconds++) await second();
  });
  deepStrictEqual(found, { sequence: 16 });
});
