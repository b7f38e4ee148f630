// What tests of running commands share: a clock that stands still, and what is seen of a command from outside.

import type { CommandHandle, CommandHandler, CommandRecord, Service } from "../../mod.ts";
import { type Bus, connect, createClient, createService } from "../../mod.ts";
import { createMemoryTransport, ManualClock, MemoryBroker } from "../../testing.ts";
import { type LogLine, recordingLogger } from "./buses.ts";

/** A broker and a bus in this process whose time stands still. */
export interface Clocked extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly bus: Bus;
  readonly logs: LogLine[];
  /** The connection of `bus`, which can be cut. */
  readonly transport: ReturnType<typeof createMemoryTransport>;
  /** Moves the clock on, and lets all that follows from it happen. */
  pass(ms: number, stepMs?: number): Promise<void>;
  /** One more connection. */
  open(): Promise<{ bus: Bus; transport: ReturnType<typeof createMemoryTransport> }>;
  /** A started service "svc". */
  serve(...handlers: readonly CommandHandler[]): Promise<Service>;
}

/** Lets all that is under way in this process happen. */
export async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve));
}

/** A broker whose clock a test moves by hand. */
export async function clocked(): Promise<Clocked> {
  const clock = new ManualClock();
  const broker = new MemoryBroker(clock);
  const logs: LogLine[] = [];
  const logger = recordingLogger(logs);
  const opened: Bus[] = [];
  const services: Service[] = [];
  const open = async () => {
    const transport = createMemoryTransport(broker, logger);
    const bus = await connect({ transport, logger, clock });
    opened.push(bus);
    return { bus, transport };
  };
  const { bus, transport } = await open();
  return {
    clock,
    bus,
    logs,
    transport,
    open,
    async pass(ms, stepMs = 1_000) {
      await turns();
      for (let left = ms; left > 0; left -= stepMs) {
        clock.advance(Math.min(left, stepMs));
        await turns(2);
      }
      await turns();
    },
    async serve(...handlers) {
      const service = createService("svc", { bus, handlers }) as unknown as Service;
      services.push(service);
      await service.start();
      return service;
    },
    async [Symbol.asyncDispose]() {
      // Whoever waits for the clock in stop() waits in vain.
      const going = setInterval(() => clock.advance(500), 1);
      await Promise.all(services.map((service) => service.stop({ graceMs: 0 })));
      await Promise.all(opened.map((one) => one.close()));
      clearInterval(going);
    },
  };
}

/** The record of a command, once it is final. */
export async function ended(job: CommandHandle): Promise<CommandRecord> {
  await job.result().catch(() => undefined);
  return await job.status();
}

/** The dead letters of commands, as few words as needed. */
export async function letters(bus: Bus): Promise<unknown[]> {
  const all = await createClient({ bus }).listDeadLetters({ kind: "command" });
  return all.map(({ type, reason, attempts, error }) => [type, reason, attempts, error.code]);
}
