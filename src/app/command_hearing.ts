// Hearing: what is told of commands while they run, read from the messages that tell it.

import type { ProgressStep } from "../domain/command_record.ts";
import { readCompletion, readProgress } from "../domain/command_signal.ts";
import {
  callbackSubject,
  DATA_HEADER,
  progressSubject,
  STATE_HEADER,
} from "../domain/command_subject.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";

/** What is heard: a step, a result, or that it has ended in another way, which its record tells. */
export type Heard =
  | { readonly kind: "step"; readonly step: ProgressStep }
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "ended" };

/**
 * Tells `onHeard` what is told of the commands whose tokens fit `tokens`, with their tokens. `onDeaf` is called where the
 * server does not let it be heard.
 */
export function hear(
  runtime: Runtime,
  tokens: string,
  onHeard: (token: string, heard: Heard) => void,
  onDeaf: () => void,
): Subscription[] {
  const { messaging } = runtime.transport;
  const on = (
    subjectOf: (token: string) => string,
    read: (runtime: Runtime, message: Message) => Heard | undefined,
  ): Subscription => {
    const before = subjectOf("").length;
    return messaging.subscribe(subjectOf(tokens), {
      onMessage: (message) => {
        const heard = read(runtime, message);
        if (heard !== undefined) onHeard(message.subject.slice(before), heard);
      },
      onError: (error) => {
        runtime.logger.warn("Commands cannot be followed: their records are looked at instead", {
          error,
        });
        onDeaf();
      },
    });
  };
  return [on(progressSubject, progressIn), on(callbackSubject, resultIn)];
}

function progressIn(runtime: Runtime, message: Message): Heard | undefined {
  const { messaging } = runtime.transport;
  if (messaging.header(message, STATE_HEADER) !== undefined) return { kind: "ended" };
  const progress = readProgress(decode(runtime, message));
  if (progress === undefined) return undefined;
  const { percent, status } = progress;
  const data = messaging.header(message, DATA_HEADER);
  const step = {
    percent: Math.min(100, Math.max(0, percent)),
    status: status === "" ? undefined : status,
    data: data === undefined ? undefined : parse(data),
  };
  return { kind: "step", step };
}

function resultIn(runtime: Runtime, message: Message): Heard | undefined {
  const completion = readCompletion(decode(runtime, message));
  // What cannot be read is in the record as well.
  return completion === undefined
    ? { kind: "ended" }
    : { kind: "result", result: completion.result };
}

function decode(runtime: Runtime, message: Message): unknown {
  try {
    return decodeBody(codecOf(runtime, message), message);
  } catch {
    // Anybody may publish there.
    return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
