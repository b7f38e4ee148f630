// Calls of the leader: whom they go to, by whose word, and that one that stands still gets none of them.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  AegisError,
  createClient,
  failover,
  type Message,
  type Messaging,
  NotActiveError,
  rpc,
  TimeoutError,
} from "../../mod.ts";
import { arrived, ask, bothStreams, type Buses, errorOf, requestText, until } from "./buses.ts";

const singleActive = failover.aggressive;
const who = rpc("who", { exclusive: true }, (_, ctx) => ctx.instanceId);
const WORD = "aegis-exclusive";
const ELECTED = "internal.rpc.elected.shop";

/** What somebody got that answers as it is told. */
interface Fake {
  readonly got: Message[];
  /** Answers what it got last, or this, with its name. */
  answer(message?: Message): void;
}

/** A part of an instance "name" of "shop", at the other end of a wire. Without `says` it is silent, as one that stands still. */
class Fakes {
  readonly #wire: Messaging;
  readonly questions: Message[] = [];

  constructor(wire: Messaging) {
    this.#wire = wire;
  }

  /** The leader of a word, which takes what is sent to it alone. */
  leader(word: string, answers = false): Fake {
    const [group, token, name = ""] = word.split(" ");
    const subject = `rpc.shop.who.~.${group}.${token}`;
    const fake = this.#take(subject, name, undefined, () => answers && fake.answer());
    return fake;
  }

  /** One that is in the queue group of the leader. */
  queued(name: string): Fake {
    return this.#take("rpc.shop.who", name, "rpc.shop");
  }

  /** Those that answer who leads: with each of these words. */
  words(says: () => readonly string[]): void {
    this.#wire.subscribe("rpc.shop.~", {
      onMessage: (message) => {
        this.questions.push(message);
        for (const word of says()) {
          this.#wire.publish(message.reply!, '{"methods":["who"]}', undefined, { [WORD]: word });
        }
      },
    });
  }

  elected(word: string): void {
    this.#wire.publish(ELECTED, word, undefined, { [WORD]: word });
  }

  #take(subject: string, name: string, queue?: string, onGot?: () => void): Fake {
    const got: Message[] = [];
    this.#wire.subscribe(subject, {
      ...(queue && { queue }),
      onMessage: ({ subject, reply, data }) => {
        got.push({ subject, reply, data: data.slice() });
        onGot?.();
      },
    });
    return {
      got,
      answer: (message = got.at(-1)!) => {
        const { message_id } = JSON.parse(new TextDecoder().decode(message.data));
        const body = { correlation_id: message_id, success: true, result: name, error: null };
        this.#wire.publish(message.reply!, JSON.stringify(body), undefined, {});
      },
    };
  }
}

async function fakes(buses: Buses): Promise<Fakes & { flush(): Promise<void> }> {
  const wire = await buses.wire();
  return Object.assign(new Fakes(wire), { flush: () => wire.flush() });
}

/** A client that knows of nobody yet. */
const newClient = async (buses: Buses) => createClient({ bus: await buses.open() });

bothStreams(
  "one that stands still and has kept its place with the server gets no call, of clients that are new neither",
  async (buses) => {
    const frozen = await fakes(buses);
    const queued = frozen.queued("frozen");
    frozen.words(() => []);
    await frozen.flush();
    await buses.serve("shop", [who], { singleActive, instanceId: "b" });
    for (let i = 0; i < 8; i++) {
      const { call } = await newClient(buses);
      for (let j = 0; j < 5; j++) strictEqual(await call("shop", "who"), "b");
    }
    strictEqual(queued.got.length, 0);
    // It is in the queue group all the same.
    const wire = await buses.wire();
    for (let i = 0; i < 100 && queued.got.length === 0; i++) {
      wire.publish("rpc.shop.who", requestText("who"), `${wire.inbox}.any`);
      await wire.flush();
    }
    await until(() => queued.got.length > 0);
  },
);

bothStreams(
  "a client that is new waits for the successor of a leader that stands still, and loses no call to it",
  async (buses) => {
    const ghost = await fakes(buses);
    const queued = ghost.queued("ghost");
    ghost.words(() => []);
    await ghost.flush();
    await (await buses.client.kv("service_leaders")).put("shop.default", {
      holder: "ghost",
      writer: "ghost",
      write: 1,
      lease_ms: 600,
      token_base: 0,
      fencing_token: null,
      released: false,
    });
    const service = await buses.serve("shop", [who], { singleActive, instanceId: "b" });
    strictEqual(service.isLeader(), false);
    const calls = Array.from({ length: 4 }, async () => {
      const { call } = await newClient(buses);
      return await call("shop", "who");
    });
    deepStrictEqual(await Promise.all(calls), ["b", "b", "b", "b"]);
    strictEqual(queued.got.length, 0);
  },
);

bothStreams(
  "stand-bys that do not answer are no word that nobody serves: a call asks on within its time",
  async (buses) => {
    const frozen = await fakes(buses);
    frozen.words(() => []);
    await frozen.flush();
    const { call } = createClient({ bus: buses.client });
    const answer = call("shop", "who");
    await until(() => frozen.questions.length >= 6);
    await buses.serve("shop", [who], { singleActive, instanceId: "b" });
    strictEqual(await answer, "b");
    // It is the server's word alone that ends the question.
    ok(AegisError.is(await errorOf(call("shop", "gone")), "SERVICE_UNAVAILABLE"));
  },
);

bothStreams(
  "a leader that owes an answer is asked before it gets more, and its successor gets what waits",
  async (buses) => {
    const fake = await fakes(buses);
    let says = ["default 5 a"];
    fake.words(() => says);
    const [a, b] = [fake.leader("default 5 a"), fake.leader("default 6 b", true)];
    await fake.flush();
    const { call } = createClient({ bus: buses.client });
    const first = call("shop", "who");
    await until(() => a.got.length === 1);
    a.answer();
    strictEqual(await first, "a");
    says = [];
    // It stands still from now on.
    const once = errorOf(call("shop", "who", {}, { timeoutMs: 1_500 }));
    const twice = call("shop", "who", {}, { idempotent: true });
    await until(() => a.got.length === 3);
    const asked = fake.questions.length;
    const held: Promise<unknown>[] = [];
    await until(() => {
      held.push(call("shop", "who"));
      return fake.questions.length > asked;
    });
    const sent = a.got.length;
    held.push(...Array.from({ length: 10 }, () => call("shop", "who")));
    await until(() => fake.questions.length > asked + 2);
    strictEqual(a.got.length, sent, "what is called since then waits");
    // An older word than that of the one that it knows is nobody's.
    fake.elected("default 4 c");
    fake.elected("default 6 b");
    await until(() => b.got.length >= 11);
    strictEqual(await twice, "b");
    const last = held.slice(-10);
    deepStrictEqual(await Promise.all(last), last.map(() => "b"));
    for (const each of held.slice(0, -10)) each.catch(() => undefined);
    ok(TimeoutError.is(await once), "what may run once alone is not sent again");
  },
);

bothStreams(
  "a process that has the name of the leader, and stands still, gets none of its calls",
  async (buses) => {
    const wire = await buses.wire();
    let got = 0;
    const queue = "rpc.shop";
    wire.subscribe("rpc.shop.*.b", { queue, onMessage: () => got++ });
    await wire.flush();
    await buses.serve("shop", [who], { singleActive, instanceId: "b" });
    const { call } = createClient({ bus: buses.client });
    for (let i = 0; i < 20; i++) strictEqual(await call("shop", "who"), "b");
    strictEqual(got, 0);
  },
);

bothStreams(
  "who was elected in one group is nothing to the calls of another one",
  async (buses) => {
    const fake = await fakes(buses);
    let says = ["eu 5 a"];
    fake.words(() => says);
    const a = fake.leader("eu 5 a");
    const b = fake.leader("us 9 b");
    const c = fake.leader("eu 6 c");
    await fake.flush();
    const { call } = createClient({ bus: buses.client });
    const first = call("shop", "who", {}, { idempotent: true });
    await until(() => a.got.length === 1);
    says = [];
    fake.elected("us 9 b");
    fake.elected("eu 4 b");
    await fake.flush();
    await new Promise((resolve) => setTimeout(resolve, 150));
    deepStrictEqual([a.got.length, b.got.length], [1, 0]);
    fake.elected("eu 6 c");
    await until(() => c.got.length === 1);
    c.answer();
    strictEqual(await first, "c");
  },
);

bothStreams("the leaders of groups that share a method share its calls", async (buses) => {
  for (const group of ["eu", "us"]) {
    const options = { singleActive: { ...singleActive, group }, instanceId: group };
    await buses.serve("shop", [who], options);
  }
  const { call } = createClient({ bus: buses.client });
  const seen = new Set<unknown>();
  for (let i = 0; i < 200 && seen.size < 2; i++) seen.add(await call("shop", "who"));
  deepStrictEqual([...seen].sort(), ["eu", "us"]);
});

bothStreams(
  "instances that do not say who leads are called by the queue group, as older ones",
  async (buses) => {
    const fake = await fakes(buses);
    fake.words(() => ["no word of this form"]);
    const queued = fake.queued("old");
    await fake.flush();
    const { call } = createClient({ bus: buses.client });
    for (let i = 1; i <= 3; i++) {
      const answer = call("shop", "who");
      await until(() => queued.got.length === i);
      queued.answer();
      strictEqual(await answer, "old");
    }
  },
);

bothStreams(
  "what is not the leader's waits for one answer, and goes by the queue group",
  async (buses) => {
    const fake = await fakes(buses);
    fake.words(() => ["default 5 a"]);
    await fake.flush();
    await buses.serve("shop", [rpc("any", () => "any")]);
    const { call } = createClient({ bus: buses.client });
    strictEqual(await call("shop", "any"), "any");
    await arrived(buses);
    await fake.flush();
    // It asks once more where a machine is too busy to answer within 25 ms.
    const asked = fake.questions.length;
    for (let i = 0; i < 3; i++) strictEqual(await call("shop", "any"), "any");
    await arrived(buses);
    await fake.flush();
    strictEqual(fake.questions.length, asked);
    // What nobody has is nobody's, whoever leads.
    const startedAt = performance.now();
    ok(AegisError.is(await errorOf(call("shop", "gone")), "SERVICE_UNAVAILABLE"));
    ok(performance.now() - startedAt < 2_000);
  },
);

bothStreams("every answer of the leader says so, and of a stand-by its group", async (buses) => {
  const picky = rpc("picky", { exclusive: true, idempotent: true }, (_, ctx) => {
    throw new AegisError("NOT_TODAY", `not for ${ctx.instanceId}`);
  });
  const a = await buses.serve("shop", [who, picky], { singleActive, instanceId: "a" });
  await buses.serve("shop", [who, picky], { singleActive, instanceId: "b" });
  const wire = await buses.wire();
  const word = async (subject: string, body: string) =>
    wire.header(await ask(wire, subject, body), WORD);
  const leads = `default ${(await a.health()).leadership!.fencingToken} a`;
  strictEqual(await word("rpc.shop.who.a", requestText("who")), leads);
  strictEqual(await word("rpc.shop.picky.a", requestText("picky")), leads);
  strictEqual(await word("rpc.shop.who.a", "no request"), leads);
  strictEqual(await word("rpc.shop.who.a", requestText("who", {}, { timeout: 1e-9 })), leads);
  strictEqual(await word("rpc.shop.who.b", requestText("who")), "default");
  strictEqual(await word("rpc.shop.health.b", requestText("health")), undefined);
});

bothStreams(
  "a leader that gives up the lead is found no longer, and its successor is",
  async (buses) => {
    const a = await buses.serve("shop", [who], { singleActive, instanceId: "a" });
    await buses.serve("shop", [who], { singleActive, instanceId: "b", bus: await buses.open() });
    const { call } = createClient({ bus: buses.client });
    strictEqual(await call("shop", "who"), "a");
    await a.stop();
    strictEqual(
      await call("shop", "who", {}, { retry: false }).catch((error) => {
        ok(NotActiveError.is(error, "ELECTING"), String(error));
        return "b";
      }),
      "b",
    );
    strictEqual(await call("shop", "who"), "b");
  },
);

bothStreams(
  "a call that nobody takes is not said to miss a leader because somebody who is asked stands still",
  async (buses) => {
    const silent = await fakes(buses);
    silent.words(() => []);
    await silent.flush();
    const { call } = createClient({ bus: buses.client });
    const error = await errorOf(call("shop", "who", {}, { timeoutMs: 300 }));
    ok(AegisError.is(error, "SERVICE_UNAVAILABLE"), `${error}`);
    ok(silent.questions.length > 0, "it was asked");
  },
);
