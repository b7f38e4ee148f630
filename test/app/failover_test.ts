// Single-active services: one instance serves what is exclusive, and the next one goes on where it stopped.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  AegisError,
  type Context,
  createClient,
  createService,
  ensureTopology,
  failover,
  NotActiveError,
  rpc,
  RpcError,
  type Service,
  TimeoutError,
  UnavailableError,
} from "../../mod.ts";
import { ask, bothStreams, type Buses, errorOf, hang, requestText, until } from "./buses.ts";

const singleActive = failover.aggressive;
const KEY = "shop.default";

const who = rpc("who", { exclusive: true }, (_, ctx) => [ctx.instanceId, ctx.fencingToken]);
const any = rpc("any", (_, ctx) => ctx.fencingToken ?? null);

/** Two instances, of which the first leads. */
async function pair(
  buses: Buses,
  handlers: Parameters<Buses["serve"]>[1] = [who, any],
): Promise<[Service, Service]> {
  const options = { singleActive };
  const a = await buses.serve("shop", handlers, { ...options, instanceId: "a" });
  const bus = await buses.open({ name: "other" });
  const b = await buses.serve("shop", handlers, { ...options, instanceId: "b", bus });
  deepStrictEqual([a.isLeader(), b.isLeader()], [true, false]);
  return [a, b];
}

/** The leaders of all services, as a program with the rights of an operator sees them. */
const leaders = ({ client }: Buses) => client.kv("service_leaders");

bothStreams("a service that is alone leads once it is started", async (buses) => {
  const seen: [boolean, number][] = [];
  const service = await buses.serve("shop", [who], {
    singleActive,
    hooks: { onLeadership: (leader, token) => void seen.push([leader, token]) },
  });
  strictEqual(service.isLeader(), true);
  const { leadership, ok: isOk } = await service.health();
  const token = leadership!.fencingToken!;
  deepStrictEqual(leadership, {
    ok: true,
    group: "default",
    leader: true,
    fencingToken: token,
    holder: service.instanceId,
    error: undefined,
  });
  strictEqual(isOk, true);
  deepStrictEqual(seen, [[true, token]]);
  const { call } = createClient({ bus: buses.client });
  deepStrictEqual(await call("shop", "who"), [service.instanceId, token]);
  await service.stop();
  strictEqual(service.isLeader(), false);
  deepStrictEqual(seen, [[true, token], [false, token]]);
});

bothStreams(
  "the leader alone gets the calls of an exclusive method, and all get others",
  async (buses) => {
    const [a] = await pair(buses);
    const { call } = createClient({ bus: buses.client });
    const token = (await a.health()).leadership!.fencingToken!;
    for (let i = 0; i < 20; i++) deepStrictEqual(await call("shop", "who"), ["a", token]);
    const tokens = await Promise.all(
      ["a", "b"].map((instance) => call("shop", "any", {}, { instance })),
    );
    deepStrictEqual(tokens, [token, null]);
  },
);

bothStreams("stop() hands over, and no caller notices", async (buses) => {
  const [a, b] = await pair(buses);
  const { call } = createClient({ bus: buses.client });
  const answers: [string, number][] = [];
  let calling = true;
  const caller = (async () => {
    while (calling) answers.push(await call<[string, number]>("shop", "who"));
  })();
  await until(() => answers.length > 10);
  await a.stop();
  await until(() => b.isLeader() && answers.at(-1)![0] === "b");
  calling = false;
  await caller;
  const first = answers.findIndex(([instance]) => instance === "b");
  ok(answers.slice(first).every(([instance]) => instance === "b"));
  ok(answers[first]![1] > answers[0]![1], "the fencing token grows");
});

bothStreams(
  "a stand-by that is asked by its name answers NOT_ACTIVE, and has run nothing",
  async (buses) => {
    await pair(buses);
    const { call } = createClient({ bus: buses.client });
    const retry = { attempts: 1 };
    const error = await errorOf(call("shop", "who", {}, { instance: "b", retry }));
    ok(NotActiveError.is(error, "NOT_ACTIVE"));
    strictEqual(error.details.sent, false);
  },
);

bothStreams("nobody waits for the leader of what nobody serves", async (buses) => {
  await pair(buses);
  const { call } = createClient({ bus: buses.client });
  for (const [service, method] of [["nobody", "who"], ["shop", "nothing"]] as const) {
    const startedAt = performance.now();
    ok(UnavailableError.is(await errorOf(call(service, method))));
    ok(performance.now() - startedAt < 2_000);
  }
});

/** Gives the lease to somebody who is not there. */
async function takeAway(buses: Buses, leaseMs: number): Promise<void> {
  const kv = await leaders(buses);
  await kv.put(KEY, {
    holder: "ghost",
    writer: "ghost",
    write: 1,
    lease_ms: leaseMs,
    token_base: 0,
    fencing_token: null,
    released: false,
  });
}

bothStreams(
  "a call waits for a leader for its own time, and says so if there is none",
  async (buses) => {
    await takeAway(buses, 60_000);
    const service = await buses.serve("shop", [who], { singleActive });
    strictEqual(service.isLeader(), false);
    strictEqual((await service.health()).leadership!.holder, "ghost");
    const { call } = createClient({ bus: buses.client });
    const startedAt = performance.now();
    const error = await errorOf(call("shop", "who", {}, { timeoutMs: 300 }));
    ok(performance.now() - startedAt > 150);
    ok(NotActiveError.is(error, "ELECTING"));
    strictEqual(error.details.sent, false);
    ok(error.message.startsWith("Cannot call shop.who: shop had no leader"), error.message);
    // Who does not want to wait is told at once, and whoever gives up is heard.
    ok(NotActiveError.is(await errorOf(call("shop", "who", {}, { retry: false })), "ELECTING"));
    const signal = AbortSignal.timeout(100);
    strictEqual(await errorOf(call("shop", "who", {}, { signal })), signal.reason);
  },
);

bothStreams("calls that wait go on as soon as there is a leader", async (buses) => {
  await takeAway(buses, 500);
  await buses.serve("shop", [who], { singleActive });
  const { call } = createClient({ bus: buses.client });
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => call<[string, number]>("shop", "who")),
  );
  strictEqual(new Set(answers.map(([, token]) => token)).size, 1);
});

bothStreams(
  "a stand-by of the original says so in its result, and the call goes on",
  async (buses) => {
    const wire = await buses.wire();
    let asked = 0;
    wire.subscribe("rpc.old.run", {
      queue: "rpc.old",
      onMessage: ({ data, reply }) => {
        const { message_id } = JSON.parse(new TextDecoder().decode(data));
        const result = ++asked < 3
          ? { success: false, error: "NOT_ACTIVE", message: "I stand by", result: null }
          : "done";
        wire.publish(
          reply!,
          JSON.stringify({ correlation_id: message_id, success: true, result, error: null }),
        );
      },
    });
    await wire.flush();
    const { call } = createClient({ bus: buses.client });
    strictEqual(await call("old", "run"), "done");
    asked = 0;
    const error = await errorOf(call("old", "run", {}, { retry: false }));
    ok(NotActiveError.is(error, "NOT_ACTIVE"));
    strictEqual(error.message, "I stand by");
  },
);

bothStreams(
  "a handler that runs as the leadership ends is told, and its caller too",
  async (buses) => {
    const reasons: unknown[] = [];
    let begun = 0;
    const slow = rpc("slow", { exclusive: true }, async (params, ctx: Context) => {
      begun++;
      await hang(params, ctx).catch((reason) => reasons.push(reason));
      return "done all the same";
    });
    const [a] = await pair(buses, [slow]);
    const { call } = createClient({ bus: buses.client });
    const error = errorOf(call("shop", "slow"));
    await until(() => begun === 1);
    await takeAway(buses, 60_000);
    await until(() => !a.isLeader());
    ok(NotActiveError.is(await error, "NOT_ACTIVE"));
    strictEqual((await error as AegisError).details.sent, true);
    await until(() => reasons.length === 1);
    ok(NotActiveError.is(reasons[0]));
    strictEqual(begun, 1, "it is not repeated");
  },
);

bothStreams("what may run twice goes to the next leader", async (buses) => {
  let begun = 0;
  const slow = rpc("slow", { exclusive: true, idempotent: true }, (params, ctx: Context) => {
    return ++begun === 1 ? hang(params, ctx) : ctx.instanceId;
  });
  await pair(buses, [slow]);
  const { call } = createClient({ bus: buses.client });
  const retry = { attempts: 3 };
  const answer = call("shop", "slow", {}, { idempotent: true, retry });
  await until(() => begun === 1);
  await takeAway(buses, 100);
  ok(["a", "b"].includes(await answer as string));
  strictEqual(begun, 2);
});

for (const first of ["a result", "an error"] as const) {
  bothStreams(
    `what a leader that died had in hand is sent again if it may run twice, its first answer was ${first}`,
    async (buses) => {
      const seen = new Set<number>();
      const slow = rpc("slow", { exclusive: true }, (params, ctx: Context) => {
        const { n } = params as { n: number };
        if (n === 0 && first === "an error") throw new RpcError("NOT_YET", "not yet");
        if (n === 0 || seen.has(n)) return "done";
        seen.add(n);
        return hang(params, ctx);
      });
      await pair(buses, [slow]);
      const { call } = createClient({ bus: buses.client });
      // Whatever it is, its answer says that it is the leader's.
      await call("shop", "slow", { n: 0 }).catch(() => undefined);
      const once = errorOf(call("shop", "slow", { n: 1 }, { timeoutMs: 1_000 }));
      const twice = call("shop", "slow", { n: 2 }, { timeoutMs: 1_000, idempotent: true });
      await until(() => seen.size === 2);
      // A leader that died says nothing of its end; the next one says that it is there, when the lease of that one is over.
      const wire = await buses.wire();
      await new Promise((resolve) => setTimeout(resolve, 120));
      const next = { "aegis-exclusive": "default 1000 b" };
      wire.publish("internal.rpc.elected.shop", "b", undefined, next);
      strictEqual(await twice, "done");
      ok(TimeoutError.is(await once));
    },
  );
}

bothStreams(
  "a handler that blocks the process longer than the lease is told by its signal",
  async (buses) => {
    const seen: unknown[] = [];
    const block = rpc("block", { exclusive: true }, (_, ctx) => {
      const before = [service.isLeader(), ctx.signal.aborted];
      for (const end = performance.now() + 700; performance.now() < end;);
      seen.push(before, [service.isLeader(), ctx.signal.aborted]);
      return "too late";
    });
    const service: Service = await buses.serve("shop", [block], { singleActive });
    const token = (await service.health()).leadership!.fencingToken!;
    const { call } = createClient({ bus: buses.client });
    const error = await errorOf(call("shop", "block"));
    deepStrictEqual(seen, [[true, false], [false, true]]);
    ok(NotActiveError.is(error, "NOT_ACTIVE"));
    strictEqual(error.details.sent, true);
    await until(() => service.isLeader());
    ok((await service.health()).leadership!.fencingToken! > token);
  },
);

bothStreams("requests of any client meet the leader alone", async (buses) => {
  await pair(buses);
  const wire = await buses.wire();
  for (let i = 0; i < 5; i++) {
    const { text } = await ask(wire, "rpc.shop.who", requestText("who"));
    strictEqual(JSON.parse(text).result[0], "a");
  }
  const { text } = await ask(wire, "rpc.shop.who.b", requestText("who"));
  deepStrictEqual([JSON.parse(text).success, JSON.parse(text).result], [false, null]);
});

bothStreams(
  "groups of a service each have a leader, and services theirs, over one bus",
  async (buses) => {
    const serve = (name: string, group?: string) =>
      buses.serve(name, [who], { singleActive: { ...singleActive, ...(group && { group }) } });
    const services = [
      await serve("shop", "eu"),
      await serve("shop", "us"),
      await serve("shop", "eu"),
      await serve("mail"),
      await serve("mail"),
    ];
    deepStrictEqual(services.map((service) => service.isLeader()), [
      true,
      true,
      false,
      true,
      false,
    ]);
    deepStrictEqual(await (await leaders(buses)).keys(), ["mail.default", "shop.eu", "shop.us"]);
  },
);

bothStreams(
  "a record that is text of somebody else's is waited for, and written over",
  async (buses) => {
    await (await leaders(buses)).put(KEY, "for ever mine");
    const service = await buses.serve("shop", [who], { singleActive });
    strictEqual(service.isLeader(), false);
    await until(() => service.isLeader());
  },
);

bothStreams("a bucket that forgets leaders by itself is refused", async (buses) => {
  await buses.client.kv("service_leaders", { ttlMs: 3_000 });
  const error = await errorOf(buses.serve("shop", [who], { singleActive }));
  ok(AegisError.is(error, "CONFLICT"));
  ok(error.message.includes(`"ttlMs" is 3000 and should be 0`), error.message);
});

bothStreams("the bucket of leaders can be made ahead of time", async (buses) => {
  const { client: bus } = buses;
  const services = [
    createService("shop", { bus, handlers: [who], singleActive, registry: false }),
  ];
  const steps = async (plan: boolean) =>
    (await ensureTopology({ bus, services, plan })).steps.map(({ action, name }) => [action, name]);
  for (const plan of [true, false]) {
    deepStrictEqual(await steps(plan), [["create", "KV_service_leaders"]]);
  }
  deepStrictEqual(await steps(false), [["keep", "KV_service_leaders"]]);
});

bothStreams(
  "a record with a token from the future is waited for, and moves no tokens there",
  async (buses) => {
    const kv = await buses.client.kv("service_leaders", { history: 1, ttlMs: 0 });
    const record = { holder: "x", writer: "w", write: 1, lease_ms: 300, token_base: 0 };
    await kv.put("shop.default", { ...record, fencing_token: 2 ** 52 - 1, released: true });
    let changes = 0;
    const a = await buses.serve("shop", [who], {
      singleActive,
      hooks: { onLeadership: () => void changes++ },
    });
    await until(() => a.isLeader());
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const token = (await a.health()).leadership?.fencingToken ?? Infinity;
    ok(a.isLeader() && changes === 1 && token < 1_000, `${changes} changes, token ${token}`);
  },
);

bothStreams("metrics tell who leads", async (buses) => {
  const [a, b] = await pair(buses);
  const value = (bus: Buses["client"], name: string) =>
    bus.metrics.snapshot().gauges.find((series) => series.name === name)?.value;
  strictEqual(value(buses.server, "aegis_leader"), 1);
  strictEqual(
    value(buses.server, "aegis_fencing_token"),
    (await a.health()).leadership!.fencingToken,
  );
  await a.stop();
  await until(() => b.isLeader());
  strictEqual(value(buses.server, "aegis_leader"), 0);
});

bothStreams("a hook that throws, or rejects, is logged and changes nothing", async (buses) => {
  const hooks = [
    () => {
      throw new Error("no");
    },
    () => Promise.reject(new Error("never")),
  ];
  for (const onLeadership of hooks) {
    const service = await buses.serve("shop", [who], { singleActive, hooks: { onLeadership } });
    await until(() => service.isLeader());
    await service.stop();
  }
  await until(() =>
    buses.logs.filter(({ message }) => message.includes("onLeadership")).length === 4
  );
});

bothStreams("a service whose bus is closed leads no more", async (buses) => {
  const bus = await buses.open();
  const service = await buses.serve("shop", [who], { singleActive, bus });
  await bus.close();
  strictEqual(service.isLeader(), false);
  await service.stopped;
});

bothStreams("a service that fails to start lets go of the lease", async (buses) => {
  const failing = buses.serve("shop", [who], {
    singleActive,
    hooks: {
      onStarted: () => {
        throw new Error("not today");
      },
    },
  });
  await rejects(failing, /not today/);
  const service = await buses.serve("shop", [who], { singleActive });
  strictEqual(service.isLeader(), true);
});
