// Streams: one contract, held by the embedded broker and by a NATS server.

import { after, test } from "node:test";
import { connect } from "@nats-io/transport-node";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { streamContract } from "../../testing.ts";
import { startNatsServer } from "../../tools/nats_server.ts";

const server = await startNatsServer();
after(() => server.stop());

const broker = new MemoryBroker();
const logger = { error() {}, warn() {} };
const adapters: Record<string, () => Promise<Transport>> = {
  "memory": () => Promise.resolve(createMemoryTransport(broker, logger)),
  "NATS": async () =>
    createNatsTransport(await connect({ servers: server.url }), "tcp", true, logger),
};

/** How many cases run side by side. They disturb one another as little as they do others, and wait most of the time. */
const LANES = 6;

/** What comes of each case. */
function outcomes(open: () => Promise<Transport>): Promise<void>[] {
  const lanes = Array.from({ length: LANES }, () => Promise.resolve());
  return streamContract.map(({ run }, index) => {
    const outcome = lanes[index % LANES]!.then(() => run(open));
    lanes[index % LANES] = outcome.catch(() => undefined);
    return outcome;
  });
}

// Not before their turn has come: until then others run in this process, which may take all of its time.
let ran: Readonly<Record<string, Promise<void>[]>> | undefined;
const all = () =>
  ran ??= Object.fromEntries(
    Object.entries(adapters).map(([name, open]) => [name, outcomes(open)]),
  );

for (const adapter of Object.keys(adapters)) {
  for (const [index, { name }] of streamContract.entries()) {
    test(`${adapter}: ${name}`, () => all()[adapter]![index]);
  }
}
