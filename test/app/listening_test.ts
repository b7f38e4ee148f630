// Listening: a process that stood still looks at the age of what it hears then, and a quiet one does not.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createClient, rpc } from "../../mod.ts";
import { Listening } from "../../src/app/listening.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import type { RpcRequest } from "../../src/domain/message.ts";
import { arrived, ask, both, requestText } from "./buses.ts";

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** Whether this process, which is all of what is tested, stood still for a moment since it was asked last. */
function standstills(): { stoodStill(): boolean } & Disposable {
  let [latest, longest] = [performance.now(), 0];
  const note = (): void => {
    longest = Math.max(longest, performance.now() - latest);
    latest = performance.now();
  };
  const timer = setInterval(note, 5);
  const stoodStill = (): boolean => {
    note();
    // What a service takes for it; on Windows timers are up to 16 ms late on a quiet machine too.
    const stood = longest > 20;
    longest = 0;
    return stood;
  };
  return { stoodStill, [Symbol.dispose]: () => clearInterval(timer) };
}

both("a quiet service takes a request whose sender's clock is behind", async (buses) => {
  await buses.serve("shop", [rpc("hello", () => "hello")]);
  const answers: boolean[] = [];
  using process = standstills();
  for (let n = 0; answers.length < 10 && n < 100; n++) {
    // A sender that was never heard before, while the service is quiet; its clock is 100 ms behind, and it waits for 50 ms.
    const wire = await buses.wire();
    await new Promise((resolve) => setTimeout(resolve, 105 + 10 * answers.length));
    const { text } = await ask(
      wire,
      "rpc.shop.hello",
      requestText("hello", {}, { timeout: 0.05 }),
      { "aegis-deadline": String(Date.now() - 100 + 50) },
    );
    // On a busy machine it may really have stood still: then what its clock says is taken for how long it lay about.
    if (!process.stoodStill()) answers.push(JSON.parse(text).success);
  }
  deepStrictEqual(answers, Array.from({ length: 10 }, () => true));
});

both(
  "of what waited while the process stood still, nothing is run whose time is over",
  async (buses) => {
    const ran: number[] = [];
    await buses.serve("shop", [
      rpc("run", (params) => void ran.push((params as { n: number }).n)),
      rpc("block", () => block(250)),
    ]);
    const { call } = createClient({ bus: buses.client });
    await call("shop", "run", { n: 0 });
    const blocking = call("shop", "block");
    const sent = Array.from(
      { length: 50 },
      (_, n) =>
        call("shop", "run", { n: n + 1 }, { timeoutMs: n % 5 === 0 ? 4_000 : 60 }).catch(() => {}),
    );
    await Promise.all([blocking, ...sent]);
    await arrived(buses);
    // Those that can wait, and no other; but a machine that is busy may really have stood still before, between two of them.
    const lasting = [0, 1, 6, 11, 16, 21, 26, 31, 36, 41, 46];
    deepStrictEqual(ran.filter((n) => lasting.includes(n)), lasting);
    ok(ran.length <= lasting.length + 2, ran.join());
  },
);

/** A process that listens, in which time passes by hand: `live` fires the timer when it is due, `stand` does not. */
function listener() {
  let now = 0;
  let timer: { at: number; run: () => void } | undefined;
  const clock = {
    now: () => 1e12 + now,
    monotonic: () => now,
    setTimer(ms: number, run: () => void) {
      const own = timer = { at: now + ms, run };
      return { cancel: () => void (timer = timer === own ? undefined : timer) };
    },
  };
  const messaging = { header: (message: unknown) => (message as { deadline: string }).deadline };
  const runtime = { clock, transport: { status: "connected", messaging } };
  const listening = new Listening(runtime as unknown as Runtime);
  const fire = (): void => {
    const due = timer!;
    timer = undefined;
    due.run();
  };
  return {
    listening,
    live(ms: number): void {
      for (const end = now + ms; now < end;) {
        if (timer !== undefined && timer.at <= end) {
          now = Math.max(now, timer.at);
          fire();
        } else now = end;
      }
    },
    stand: (ms: number) => void (now += ms),
    fire,
    isSet: () => timer !== undefined,
    /** The age of a request that was sent `ago` milliseconds before it is heard, by the clocks. */
    age(ago: number, sender = "a"): number {
      const message = { reply: `${sender}.1`, deadline: String(clock.now() - ago + 1_000) };
      return listening.age(message as never, { timeoutMs: 1_000 } as RpcRequest, now);
    },
  };
}

test("however long nothing came, what comes then has not waited, whatever the clocks say", () => {
  for (let quiet = 1; quiet < 1_000; quiet += 7) {
    const { listening, live, age } = listener();
    listening.start();
    live(quiet);
    strictEqual(age(100), 0, `after ${quiet} ms`);
    live(quiet / 3);
    strictEqual(age(100), 0);
  }
});

for (const timerFirst of [false, true]) {
  test(
    `what waited for a process that stood still is as old as it is, the timer ${
      timerFirst ? "before" : "after"
    } it`,
    () => {
      const { listening, live, stand, fire, age } = listener();
      listening.start();
      live(1_000);
      age(0);
      live(20);
      stand(300);
      if (timerFirst) fire();
      // All of them, not the first alone; at most the timer's period is not counted.
      for (const sender of ["a", "b", "c"]) {
        const old = age(300, sender);
        ok(old >= 270 && old <= 300, `${sender}: ${old}`);
      }
      strictEqual(age(0, "d"), 0);
      if (!timerFirst) fire();
      live(100);
      strictEqual(age(100, "e"), 0, "what comes later did not wait");
    },
  );
}

test("one that is a little late has not stood still", () => {
  const { listening, live, stand, age } = listener();
  listening.start();
  live(1_000);
  stand(115);
  strictEqual(age(115), 0);
});

test("several standstills in one turn count together", () => {
  const { listening, live, stand, age } = listener();
  listening.start();
  live(1_000);
  age(0);
  live(20);
  stand(100);
  ok(age(100, "a") >= 80);
  stand(100);
  ok(age(200, "b") >= 180);
});

test("a standstill that follows before all that waited was heard counts to the one before", () => {
  const { listening, live, stand, fire, age } = listener();
  listening.start();
  live(1_000);
  age(0);
  live(20);
  stand(250);
  fire();
  ok(age(250, "a") >= 220);
  stand(60);
  // It was sent before the first, and heard after the second.
  for (const sender of ["b", "c"]) {
    const old = age(310, sender);
    ok(old >= 280 && old <= 310, `${sender}: ${old}`);
  }
  fire();
  live(1_000);
  stand(60);
  ok(age(310, "d") <= 60, "another one, later");
});

test("what is heard slowly, but without a pause, after a standstill has waited all the same", () => {
  const { listening, live, stand, age } = listener();
  listening.start();
  live(1_000);
  age(0);
  live(20);
  stand(250);
  for (let n = 0; n < 10; n++) {
    ok(age(250 + 18 * n, `a${n}`) >= 220, `${n}`);
    stand(18);
  }
});

test("a request that comes after the last service has stopped sets no timer", () => {
  const { listening, live, stand, age, isSet } = listener();
  listening.start();
  live(1_000);
  listening.stop();
  stand(50);
  age(0);
  strictEqual(isSet(), false);
});

test("a meter shows by how much the process was late at most since it was read, until it is taken off", () => {
  const { listening, live, stand, fire } = listener();
  const meter = { lateMs: 0 };
  const takeOff = listening.watch(meter);
  listening.start();
  live(1_000);
  strictEqual(meter.lateMs, 0);
  for (const ms of [150, 400, 250]) {
    live(1_000);
    stand(ms);
    fire();
  }
  // The timer was due up to 100 ms after it was set.
  ok(meter.lateMs >= 300 && meter.lateMs <= 400, `${meter.lateMs}`);
  meter.lateMs = 0;
  live(1_000);
  strictEqual(meter.lateMs, 0);
  takeOff();
  stand(500);
  fire();
  strictEqual(meter.lateMs, 0);
});
