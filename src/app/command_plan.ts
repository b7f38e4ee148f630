// Command plans: the consumers that a handler of commands needs, one for each priority.

import { PRIORITIES, type Priority } from "../domain/command.ts";
import { commandDurable, commandSubject } from "../domain/command_subject.ts";
import type { ConsumerConfig } from "../ports/stream.ts";
import type { CommandHandler } from "./command.ts";
import { serverAckWaitOf } from "./command_lease.ts";

/**
 * The consumer of a handler's commands of one priority. No server knows priorities, and the oldest ones know one filter a
 * consumer: so each priority has a consumer of its own, and an instance chooses which it asks.
 *
 * @throws {TypeError} when its name would be too long for a server.
 */
export function queueConsumer(
  { command, settings: { ackWaitMs } }: CommandHandler,
  service: string,
  priority: Priority,
): ConsumerConfig {
  return {
    name: commandDurable(service, command, priority),
    description: `${service} runs ${command}, priority ${priority}`,
    filter: commandSubject(service, command, priority),
    from: "all",
    ackWaitMs: serverAckWaitOf(ackWaitMs),
    // Those that wait for their next attempt, or for their time, count among them.
    maxAckPending: 0,
    inactiveThresholdMs: 0,
  };
}

/** The consumers of a handler, critical first. */
export function queueConsumers(handler: CommandHandler, service: string): ConsumerConfig[] {
  return PRIORITIES.map((priority) => queueConsumer(handler, service, priority));
}
