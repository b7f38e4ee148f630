// Options of single-active services: what cannot be is refused when they are made.

import { deepStrictEqual, ok, throws } from "node:assert/strict";
import { after, test } from "node:test";
import {
  type Bus,
  command,
  connect,
  createService,
  failover,
  type Handler,
  on,
  rpc,
  type SingleActiveOptions,
} from "../../mod.ts";

const bus: Bus = await connect({ servers: "memory:" });
after(() => bus.close());

const create = (singleActive: unknown, handlers: readonly Handler[] = [], hooks = {}) =>
  createService("shop", {
    bus,
    handlers,
    hooks,
    ...(singleActive === undefined ? {} : { singleActive: singleActive as SingleActiveOptions }),
  });

test("policies, times and groups are taken", () => {
  for (
    const options of [
      failover.aggressive,
      failover.conservative,
      {},
      { group: "eu-1" },
      { ...failover.balanced, group: "a" },
      { electionTimeoutMs: 5_000 },
    ]
  ) ok(!create(options).isLeader());
});

test("what is no policy is refused, and a typo is told", () => {
  for (const value of [true, "aggressive", null, [], 500]) {
    throws(() => create(value), {
      name: "TypeError",
      message: /as option "singleActive" of service "shop": it must be times, such as/,
    });
  }
  throws(() => create({ electionTimeoutMS: 1_000 }), {
    name: "TypeError",
    message:
      'Cannot use option "electionTimeoutMS" of option "singleActive" of service "shop": there is no such option; did you mean "electionTimeoutMs"?',
  });
  throws(() => create({ electionTimeoutMs: 1_000, heartbeatIntervalMs: 900 }), {
    name: "RangeError",
    message: /one lost heartbeat would end the leadership; make electionTimeoutMs at least/,
  });
  for (const group of ["", "a.b", "a b", 7, "x".repeat(129)]) {
    throws(() => create({ group }), { name: "TypeError", message: /as "group" of option/ });
  }
});

test("what is exclusive needs a service with a leader", () => {
  const exclusive = { exclusive: true };
  const handlers = [
    [rpc("pay", exclusive, () => 1), /Cannot serve method "pay" of service "shop" exclusively/],
    [on("a.b", exclusive, () => 1), /Cannot serve the handler of "a.b" of service "shop" excl/],
    [command("pack", exclusive, () => 1), /Cannot serve command "pack" of service "shop" excl/],
  ] as const;
  for (const [handler, message] of handlers) {
    throws(() => create(undefined, [handler]), { name: "TypeError", message });
    create({}, [handler]);
  }
  throws(() => create(undefined, [], { onLeadership: () => {} }), {
    name: "TypeError",
    message: /hook "onLeadership" of service "shop": it has no "singleActive"/,
  });
});

test("exclusive is yes or no, and not for events that all handle", () => {
  const value = "yes" as unknown as boolean;
  throws(() => rpc("pay", { exclusive: value }, () => 1), TypeError);
  throws(() => on("a.b", { exclusive: value }, () => 1), TypeError);
  throws(() => command("pack", { exclusive: value }, () => 1), TypeError);
  throws(() => on("a.b", { exclusive: true, mode: "broadcast" }, () => 1), {
    name: "TypeError",
    message: /"exclusive" with mode "broadcast" of the handler of "a.b"/,
  });
  deepStrictEqual(on("a.b", () => 1).settings.exclusive, false);
});
