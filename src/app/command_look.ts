// Looking: whether a service has ever served a command, before one is sent that nobody would ever run.

import { PRIORITIES } from "../domain/command.ts";
import { commandDurable, commandStream } from "../domain/command_subject.ts";
import { AegisError, UnavailableError } from "../domain/error.ts";
import { suggest } from "../domain/suggest.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Runtime } from "./runtime.ts";

/** How often it is looked again whether a service has ever served anything, in milliseconds. */
const LOOK_MS = 1_000;

/** What is known of a command's service. */
export class Look {
  /** Whether an instance has served the command at any time. */
  known = false;
  readonly #runtime: Runtime;
  readonly #streams: BusStreams;
  readonly #service: string;
  readonly #command: string;
  #lookedAt: number = -Infinity;
  #foreign = false;

  constructor(runtime: Runtime, streams: BusStreams, service: string, command: string) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#service = service;
    this.#command = command;
  }

  /**
   * Whether a service of the original's may be the one that serves it: the stream is the original's, and none of ours was
   * ever there. Such a service knows no priorities.
   */
  get isOriginal(): boolean {
    return this.#foreign && !this.known;
  }

  /**
   * Looks whether the service has ever served a command of that name: the error to send with, where it serves others and
   * not this one. One that nobody has started yet will find its commands when it is.
   *
   * @throws {AegisError} what asking for consumers throws.
   */
  async look(stream: string): Promise<UnavailableError | undefined> {
    const service = this.#service;
    const command = this.#command;
    const { clock, logger } = this.#runtime;
    const now = clock.monotonic();
    if (now - this.#lookedAt < LOOK_MS) return undefined;
    this.#foreign = stream !== commandStream(service);
    let names: readonly string[];
    try {
      names = await this.#streams.ports.admin.consumers(stream);
    } catch (error) {
      // A user may send and not ask for consumers.
      if (!AegisError.is(error, "PERMISSION_DENIED")) throw error;
      this.known = true;
      return undefined;
    }
    const served = servedBy(service, names);
    if (served.includes(command)) {
      this.known = true;
      return undefined;
    }
    if (served.length > 0) {
      return new UnavailableError(
        `Cannot send ${command} to ${service}: it serves no such command; ${
          suggest(command, served)
        }`,
        { details: { service, command, served, sent: false } },
      );
    }
    if (this.#lookedAt === -Infinity && !this.#foreign) {
      logger.warn(`Nobody has ever served commands of ${service}; they wait until somebody does`, {
        command,
      });
    }
    this.#lookedAt = now;
    return undefined;
  }
}

/** The commands of a service of which there are consumers. */
function servedBy(service: string, consumers: readonly string[]): string[] {
  const [before = "", after = ""] = commandDurable(service, "\0", PRIORITIES[0]!).split("\0");
  return consumers
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .map((name) => name.slice(before.length, name.length - after.length));
}
