// Events that fail: tried again after a while, then kept as dead letters, and replayed to who failed.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  AegisError,
  type Client,
  createClient,
  type DeadLetter,
  event,
  on,
  RpcError,
} from "../../mod.ts";
import { bothStreams, type Buses, errorOf, until } from "./buses.ts";

const QUICK = { attempts: 3, initialDelayMs: 20, factor: 1, jitter: 0 };

/** The dead letters, as soon as there are so many. */
async function deadLetters(client: Client, count: number): Promise<DeadLetter[]> {
  let letters: DeadLetter[] = [];
  await until(async () => (letters = await client.listDeadLetters()).length >= count);
  strictEqual(letters.length, count);
  return letters;
}

bothStreams(
  "an event whose handler throws comes again, after a while, and counts its attempts",
  async (buses) => {
    const attempts: number[] = [];
    const times: number[] = [];
    const retry = { attempts: 3, initialDelayMs: 150, factor: 1, jitter: 0 };
    await buses.serve("billing", [
      on("order.created", { retry }, (_event, ctx) => {
        attempts.push(ctx.attempt);
        times.push(performance.now());
        if (ctx.attempt < 3) throw new Error("not yet");
      }),
    ]);
    await createClient({ bus: buses.client }).publish("order.created");
    await until(() => attempts.length === 3);
    deepStrictEqual(attempts, [1, 2, 3]);
    // A server counts in whole milliseconds.
    for (const i of [1, 2]) ok(times[i]! - times[i - 1]! > 145, `${times}`);
    deepStrictEqual(await createClient({ bus: buses.client }).listDeadLetters(), []);
  },
);

bothStreams(
  "after the last attempt it is a dead letter, to the byte and with the reason",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    await buses.serve("billing", [
      on("order.created", { retry: QUICK }, () => {
        throw new RpcError("CARD_EXPIRED", "The card has expired – 💳");
      }),
    ], { instanceId: "one" });
    const { id, sequence } = await client.publish("order.created", { text: "Grüße" }, {
      headers: { "x-tenant": "blue" },
    });
    const [letter] = await deadLetters(client, 1);
    const { id: letterId, body, headers, deadAt, storedAt, ...facts } = letter!;
    deepStrictEqual(facts, {
      kind: "event",
      type: "order.created",
      service: "billing",
      instanceId: "one",
      handler: "billing=order=created",
      mode: "compete",
      reason: "failed",
      error: { code: "CARD_EXPIRED", message: "The card has expired – 💳" },
      attempts: 3,
      subject: "events.order.created",
      stream: "EVENTS",
      sequence,
      bodyElsewhere: false,
    });
    ok(/^\d+$/.test(letterId));
    ok(!Number.isNaN(Date.parse(deadAt)) && storedAt > 1.7e12);
    strictEqual(headers["x-tenant"], "blue");
    strictEqual(headers["Nats-Msg-Id"], id);
    const { payload, message_id } = JSON.parse(new TextDecoder().decode(body));
    deepStrictEqual([payload, message_id], [{ text: "Grüße" }, id]);
  },
);

bothStreams("a policy decides of each error whether to try again", async (buses) => {
  const client = createClient({ bus: buses.client });
  const seen: string[] = [];
  const retry = { ...QUICK, retryIf: (error: unknown) => (error as Error).message !== "final" };
  await buses.serve("billing", [
    on("order.*", { retry }, ({ type }, ctx) => {
      seen.push(`${type} ${ctx.attempt}`);
      throw new Error(type === "order.lost" ? "final" : "again");
    }),
  ]);
  await client.publish("order.lost");
  const [lost] = await deadLetters(client, 1);
  strictEqual(lost!.attempts, 1);
  await client.publish("order.late");
  const [, late] = await deadLetters(client, 2);
  strictEqual(late!.attempts, 3);
  deepStrictEqual(seen, ["order.lost 1", "order.late 1", "order.late 2", "order.late 3"]);
});

bothStreams(
  "an event that does not fit its schema is a dead letter at once, with its issues",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    let runs = 0;
    const Created = event("order.created", { payload: v.object({ amount: v.number() }) });
    await buses.serve("billing", [on(Created, () => void runs++)]);
    await client.publish("order.created", { amount: "much" });
    await client.publish(Created({ amount: 1 }));
    await until(() => runs === 1);
    const [letter] = await deadLetters(client, 1);
    deepStrictEqual([letter!.reason, letter!.attempts, letter!.error.code], [
      "invalid",
      1,
      "INVALID_REQUEST",
    ]);
    deepStrictEqual(letter!.error.issues?.map(({ path }) => path), [["amount"]]);
  },
);

bothStreams(
  "what is no event on the subject of one is a dead letter, and the next is handled",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const got: string[] = [];
    await buses.serve("billing", [on("order.>", ({ type }) => void got.push(type))]);
    const wire = await buses.wire();
    const strange = [
      "no JSON",
      "",
      new Uint8Array([0xc1, 0xff]),
      JSON.stringify({ domain: "order", event_type: "created", more: 1 }),
      JSON.stringify({ domain: "order", event_type: "shipped" }),
    ];
    for (const body of strange) wire.publish("events.order.created", body);
    await wire.flush();
    await client.publish("order.paid");
    await until(() => got.length === 1);
    const letters = await deadLetters(client, strange.length);
    deepStrictEqual(letters.map(({ reason }) => reason), strange.map(() => "unreadable"));
    const bodies = letters.map(({ body }) => new TextDecoder("latin1").decode(body));
    const wanted = strange.map((body) =>
      typeof body === "string" ? body : new TextDecoder("latin1").decode(body)
    );
    deepStrictEqual(bodies.sort(), wanted.sort());
  },
);

bothStreams("a replay goes to the handler that failed, and to no other", async (buses) => {
  const client = createClient({ bus: buses.client });
  const got: string[] = [];
  let broken = true;
  await buses.serve("billing", [
    on("order.created", { retry: false }, ({ payload }) => {
      if (broken) throw new Error("the bank is away");
      got.push(`billing ${JSON.stringify(payload)}`);
    }),
    on("order.*", ({ payload }) => void got.push(`audit ${JSON.stringify(payload)}`)),
  ]);
  await buses.serve("mail", [on("order.created", () => void got.push("mail"))]);
  await client.publish("order.created", { n: 1 });
  const [letter] = await deadLetters(client, 1);
  await until(() => got.length === 2);
  broken = false;
  strictEqual(await client.replayDeadLetter(letter!.id), true);
  await until(() => got.length === 3);
  deepStrictEqual(got.sort(), ['audit {"n":1}', 'billing {"n":1}', "mail"]);
  deepStrictEqual(await client.listDeadLetters(), []);
  strictEqual(await client.replayDeadLetter(letter!.id), false);
  // The others have had their word of it by now, if they had any.
  await client.publish("order.created", { n: 2 });
  await until(() => got.length === 6);
});

bothStreams("what fails again when it is replayed is a dead letter again", async (buses) => {
  const client = createClient({ bus: buses.client });
  let runs = 0;
  await buses.serve("billing", [
    on("order.created", { retry: false }, () => {
      runs++;
      throw new Error("never");
    }),
  ]);
  for (let n = 0; n < 3; n++) await client.publish("order.created", { n });
  const before = await deadLetters(client, 3);
  strictEqual(await client.replayDeadLetters(), 3);
  await until(() => runs === 6);
  const after = await deadLetters(client, 3);
  const ids = (letters: DeadLetter[]) => letters.map(({ id }) => Number(id));
  ok(Math.min(...ids(after)) > Math.max(...ids(before)));
});

bothStreams("dead letters are listed, replayed and discarded by what they are", async (buses) => {
  const client = createClient({ bus: buses.client });
  const fail = () => {
    throw new Error("no");
  };
  await buses.serve("billing", [on("order.*", { retry: false }, fail)]);
  await buses.serve("mail", [
    on("user.*", { retry: false, payload: v.object({ name: v.string() }) }, fail),
  ]);
  await client.publish("order.created");
  await client.publish("order.paid");
  await client.publish("user.joined");
  await client.publish("user.joined", { name: "Ada" });
  await deadLetters(client, 4);
  const count = async (filter: Parameters<Client["listDeadLetters"]>[0]) =>
    (await client.listDeadLetters(filter)).length;
  strictEqual(await count({ service: "billing" }), 2);
  strictEqual(await count({ type: "order.paid" }), 1);
  strictEqual(await count({ type: "*.joined" }), 2);
  strictEqual(await count({ reason: "invalid" }), 1);
  strictEqual(await count({ service: "mail", reason: "failed" }), 1);
  strictEqual(await count({ limit: 3 }), 3);
  const [first, second] = await client.listDeadLetters();
  strictEqual(await count({ ids: [second!.id, first!.id, "999999"] }), 2);
  strictEqual(await client.discardDeadLetter(first!.id), true);
  strictEqual(await client.discardDeadLetter(first!.id), false);
  strictEqual(await client.discardDeadLetters({ service: "mail" }), 2);
  strictEqual(await count({}), 1);
  const wrong = [
    { services: "x" },
    { service: "a.b" },
    { kind: "event", type: "x" },
    { kind: "events" },
    { ids: ["a"] },
  ];
  for (const filter of wrong) {
    strictEqual(
      (await errorOf(client.listDeadLetters(filter as never)) as Error).name,
      "TypeError",
    );
  }
});

bothStreams(
  "an event that leaves no room for its reason keeps its bytes in the stream",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    let broken = true;
    let length = 0;
    await buses.serve("billing", [
      on("order.created", { retry: false }, ({ payload }) => {
        if (broken) throw new Error("no");
        length = (payload as { text: string }).text.length;
      }),
    ]);
    const size = buses.client.server.maxPayload - 600;
    await client.publish("order.created", { text: "x".repeat(size) });
    const [letter] = await deadLetters(client, 1);
    deepStrictEqual([letter!.bodyElsewhere, letter!.body.length], [true, 0]);
    broken = false;
    await client.replayDeadLetters();
    await until(() => length === size);
  },
);

bothStreams(
  "headers that tell a server what to do are kept, and told it neither of the dead letter nor of the replay",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    let broken = true;
    const got: unknown[] = [];
    await buses.serve("billing", [
      on("order.created", { retry: false }, ({ payload }) => {
        if (broken) throw new Error("no");
        got.push(payload);
      }),
    ]);
    const { store } = await buses.streams();
    const body = JSON.stringify({ domain: "order", event_type: "created", payload: { n: 1 } });
    const headers = { "Nats-Expected-Stream": "EVENTS", "x-tenant": "blue" };
    await store.publish("events.order.created", body, headers, 2_000);
    const [letter] = await deadLetters(client, 1);
    deepStrictEqual(letter!.headers, headers);
    broken = false;
    strictEqual(await client.replayDeadLetters(), 1);
    await until(() => got.length === 1);
    deepStrictEqual(got, [{ n: 1 }]);
  },
);

bothStreams("a dead letter whose handler is gone is not replayed to nobody", async (buses) => {
  const client = createClient({ bus: buses.client });
  const service = await buses.serve("billing", [
    on("order.*", { retry: false }, () => {
      throw new Error("no");
    }),
  ]);
  await client.publish("order.created");
  const [letter] = await deadLetters(client, 1);
  await service.stop();
  const { admin } = await buses.streams();
  await admin.deleteConsumer("EVENTS", letter!.handler);
  const error = await errorOf(client.replayDeadLetter(letter!.id));
  ok(AegisError.is(error, "HANDLER_GONE"), String(error));
  ok(error.message.includes("billing=order=+"), error.message);
  await deadLetters(client, 1);
});

/** A service of one instance that fails at `price.changed` while it is to, and the ids of what it has handled. */
function ticker(options: Parameters<typeof on>[1] & object, got: string[], fails: () => boolean) {
  return on("price.changed", { ...options, mode: "broadcast", retry: false }, ({ id }, ctx) => {
    if (fails()) throw new Error("no");
    got.push(`${ctx.instanceId} ${id}`);
  });
}

/** Resolves when no instance waits for events any more. */
async function nobodyWaits(buses: Buses): Promise<void> {
  const { admin } = await buses.streams();
  await until(async () => {
    const names = await admin.consumers("EVENTS");
    const states = await Promise.all(names.map((name) => admin.consumer("EVENTS", name)));
    return states.every((state) => state === undefined || state.waiting === 0);
  });
}

bothStreams(
  "a broadcast is not replayed for an instance that has gone without a word",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const bus = await buses.open();
    await buses.serve("web", [ticker({}, [], () => true)], { bus, instanceId: "one" });
    await client.publish("price.changed");
    const [letter] = await deadLetters(client, 1);
    await bus.close();
    await nobodyWaits(buses);
    // The broker keeps its consumer for a while.
    const { admin } = await buses.streams();
    ok(await admin.consumer("EVENTS", `${letter!.handler}=one`));
    strictEqual(await client.replayDeadLetters(), 0);
    await deadLetters(client, 1);
  },
);

bothStreams("a broadcast is not replayed while no instance would take it", async (buses) => {
  const client = createClient({ bus: buses.client });
  for (const options of [{}, { name: "ticker" }]) {
    const got: string[] = [];
    let broken = true;
    const serve = () => buses.serve("web", [ticker(options, got, () => broken)]);
    const service = await serve();
    const { id } = await client.publish("price.changed");
    const [letter] = await deadLetters(client, 1);
    await service.stop();
    broken = false;
    await nobodyWaits(buses);
    const error = await errorOf(client.replayDeadLetter(letter!.id));
    ok(AegisError.is(error, "HANDLER_GONE"), String(error));
    strictEqual(await client.replayDeadLetters(), 0);
    await deadLetters(client, 1);
    const again = await serve();
    strictEqual(await client.replayDeadLetters(), 1);
    await until(() => got.length === 1);
    deepStrictEqual(got, [`${again.instanceId} ${id}`]);
    deepStrictEqual(await client.listDeadLetters(), []);
    await again.stop();
  }
});

bothStreams("a broadcast waits for an instance that comes back under its id", async (buses) => {
  const client = createClient({ bus: buses.client });
  const got: string[] = [];
  let broken = true;
  const handler = ticker({ name: "ticker" }, got, () => broken);
  const service = await buses.serve("web", [handler], { instanceId: "one" });
  const { id } = await client.publish("price.changed");
  await deadLetters(client, 1);
  await service.stop();
  broken = false;
  strictEqual(await client.replayDeadLetters(), 1);
  await buses.serve("web", [handler], { instanceId: "one" });
  await until(() => got.length === 1);
  deepStrictEqual(got, [`one ${id}`]);
});

bothStreams("a broadcast is replayed to every instance", async (buses) => {
  const client = createClient({ bus: buses.client });
  const got: string[] = [];
  let broken = true;
  for (const instanceId of ["one", "two"]) {
    const fails = () => broken && instanceId === "two";
    await buses.serve("web", [ticker({}, got, fails)], { instanceId });
  }
  await buses.serve("mail", [ticker({}, got, () => false)], { instanceId: "other" });
  const { id } = await client.publish("price.changed");
  await deadLetters(client, 1);
  await until(() => got.length === 2);
  broken = false;
  strictEqual(await client.replayDeadLetters(), 1);
  await until(() => got.length === 4);
  const all = ["one", "one", "other", "two"].map((instance) => `${instance} ${id}`);
  deepStrictEqual(got.sort(), all);
});

bothStreams("of a broadcast all that an instance is there to take are replayed", async (buses) => {
  const client = createClient({ bus: buses.client });
  const got: string[] = [];
  let broken = true;
  await buses.serve("web", [ticker({ concurrency: 1 }, got, () => broken)]);
  for (let n = 0; n < 100; n++) await client.publish("price.changed", { n });
  await until(async () => (await client.listDeadLetters()).length === 100);
  broken = false;
  strictEqual(await client.replayDeadLetters(), 100);
  await until(() => got.length === 100);
  strictEqual(new Set(got).size, 100);
});

bothStreams("a dead letter that cannot be replayed holds up none of the others", async (buses) => {
  const client = createClient({ bus: buses.client });
  const got: string[] = [];
  let broken = true;
  const handler = (name: string) =>
    on("order.paid", { name, retry: false }, () => {
      if (broken) throw new Error("no");
      got.push(name);
    });
  const old = await buses.serve("old", [handler("retired")]);
  const size = buses.client.server.maxPayload - 600;
  await buses.serve("large", [
    on("order.large", { retry: false }, () => {
      throw new Error("no");
    }),
  ]);
  const { sequence } = await client.publish("order.large", { text: "x".repeat(size) });
  await client.publish("order.paid");
  await deadLetters(client, 2);
  await old.stop();
  await buses.serve("billing", [handler("billing")]);
  await client.publish("order.paid");
  const letters = await until(async () => (await client.listDeadLetters()).length === 3)
    .then(() => client.listDeadLetters());
  const { admin, store } = await buses.streams();
  await admin.deleteConsumer("EVENTS", "retired");
  await store.remove("EVENTS", sequence);
  broken = false;
  strictEqual(await client.replayDeadLetters(), 1);
  await until(() => got.length === 1);
  deepStrictEqual(got, ["billing"]);
  const left = (await client.listDeadLetters()).map(({ service }) => service);
  deepStrictEqual(left.sort(), ["large", "old"]);
  const told = buses.logs.filter(({ message }) => message.includes("is not replayed"));
  const codes = told.map(({ fields }) => (fields.error as AegisError).code);
  deepStrictEqual(codes.sort(), ["GONE", "HANDLER_GONE"]);
  for (const service of ["large", "old"]) {
    const { id } = letters.find((letter) => letter.service === service)!;
    ok(AegisError.is(await errorOf(client.replayDeadLetter(id))));
  }
});

bothStreams(
  "a signal ends what is done with dead letters, before it begins or between two of them",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const reason = new Error("enough");
    const controller = new AbortController();
    let broken = true;
    let runs = 0;
    await buses.serve("billing", [
      on("order.*", { retry: false }, () => {
        if (broken) throw new Error("no");
        if (runs++ === 0) controller.abort(reason);
      }),
    ]);
    for (let n = 0; n < 50; n++) await client.publish("order.created", { n });
    const [letter] = await deadLetters(client, 50);
    broken = false;
    const signal = AbortSignal.abort(reason);
    const all = [
      client.listDeadLetters({ signal }),
      client.replayDeadLetter(letter!.id, { signal }),
      client.replayDeadLetters({ signal }),
      client.discardDeadLetter(letter!.id, { signal }),
      client.discardDeadLetters({ signal }),
    ];
    for (const ended of all) strictEqual(await errorOf(ended), reason);
    await deadLetters(client, 50);
    const { signal: between } = controller;
    strictEqual(await errorOf(client.replayDeadLetters({ signal: between })), reason);
    // What is left is what was not replayed, and nothing is both.
    let left = -1;
    await until(async () => {
      const before = left;
      left = (await client.listDeadLetters()).length;
      return left === before && runs === 50 - left;
    });
    ok(left > 0, `${left}`);
    strictEqual(await client.replayDeadLetters(), left);
    for (const wrong of [{ signal: 1 }, { signals: signal }]) {
      const calls = [
        client.replayDeadLetter(letter!.id, wrong as never),
        client.discardDeadLetter(letter!.id, wrong as never),
        client.listDeadLetters(wrong as never),
      ];
      for (const call of calls) strictEqual((await errorOf(call) as Error).name, "TypeError");
    }
  },
);

bothStreams(
  "dead letters in somebody else's stream are listed and replayed from there",
  async (buses) => {
    const client = createClient({ bus: buses.client });
    const { admin } = await buses.streams();
    await admin.createStream({
      name: "DLQ",
      description: "",
      subjects: ["dead_letters.>"],
      retention: "limits",
      storage: "file",
      replicas: 1,
      discard: "old",
      maxMessagesPerSubject: 0,
      bucket: false,
      schedules: false,
      messageTtl: false,
      direct: true,
      maxAgeMs: 0,
      maxMessages: 0,
      maxBytes: 0,
      maxMessageBytes: 0,
      duplicateWindowMs: 120_000,
    });
    let runs = 0;
    await buses.serve("billing", [
      on("order.*", { retry: false }, () => {
        if (runs++ === 0) throw new Error("no");
      }),
    ]);
    await client.publish("order.created");
    await deadLetters(client, 1);
    strictEqual(await client.replayDeadLetters(), 1);
    await until(() => runs === 2);
    strictEqual((await admin.stream("DLQ"))?.messages, 0);
  },
);

bothStreams("an id of a dead letter that is none is refused by its name", async (buses) => {
  const client = createClient({ bus: buses.client });
  for (const id of [3, undefined, "x", {}]) {
    const error = await errorOf(client.replayDeadLetter(id as never)) as Error;
    ok(error instanceof TypeError && error.message.includes("id of a dead letter"), String(error));
  }
});

bothStreams(
  "an event that comes again and again without a word is handled all the same, and no note of it stays",
  async (buses) => {
    const { admin, store } = await buses.streams();
    const client = createClient({ bus: buses.client });
    const handler = (run: (attempt: number) => void) =>
      on("order.*", { retry: false }, (_event, ctx) => run(ctx.attempt));
    await (await buses.serve("billing", [handler(() => {})])).stop();
    await client.publish("order.created");
    let deliveries = 0;
    const pull = store.pull("EVENTS", "billing=order=+", {
      onDelivery: (delivery) => {
        deliveries++;
        delivery.nak(0);
      },
      onGone() {},
      onHealth() {},
    });
    for (let n = 1; n <= 3; n++) {
      pull.ask(1);
      await until(() => deliveries === n);
    }
    await pull.close();
    await pull.settled(2_000);
    const attempts: number[] = [];
    await buses.serve("billing", [handler((attempt) => void attempts.push(attempt))]);
    await until(() => attempts.length === 1);
    deepStrictEqual(attempts, [4]);
    await until(async () => (await admin.stream("DEAD_LETTERS"))?.messages === 0);
  },
);
