// The KV store: one contract, embedded and on a NATS server.

import { after, test } from "node:test";
import { type Bus, connect } from "../../mod.ts";
import { kvContract } from "../../testing.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { recordingLogger } from "../app/buses.ts";

const server = await startNatsServer();
after(() => server.stop());

const logger = recordingLogger([]);
const stores: Record<string, () => Promise<Bus>> = {
  "memory": () => connect({ servers: "memory:kv-contract", logger }),
  "NATS": () => connect({ servers: server.url, logger }),
};

/** How many cases run side by side. They have buckets of their own, and wait most of the time. */
const LANES = 6;

/** What comes of each case. */
function outcomes(open: () => Promise<Bus>): Promise<void>[] {
  const lanes = Array.from({ length: LANES }, () => Promise.resolve());
  return kvContract.map(({ run }, index) => {
    const outcome = lanes[index % LANES]!.then(() => run(open));
    lanes[index % LANES] = outcome.catch(() => undefined);
    return outcome;
  });
}

// Not before their turn has come: until then others run in this process, which may take all of its time.
let ran: Readonly<Record<string, Promise<void>[]>> | undefined;
const all = () =>
  ran ??= Object.fromEntries(Object.entries(stores).map(([name, open]) => [name, outcomes(open)]));

for (const store of Object.keys(stores)) {
  for (const [index, { name }] of kvContract.entries()) {
    test(`${store}: ${name}`, () => all()[store]![index]);
  }
}
