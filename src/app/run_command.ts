// Running a handler of commands: the payload checked, a span around it, the result checked.

import { AegisError, ValidationError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { validate } from "../domain/schema.ts";
import { isThenable } from "../domain/thenable.ts";
import type { CommandContext, ReceivedCommand } from "./command.ts";
import type { CommandRun } from "./command_run.ts";
import { HandlerContext } from "./handler_context.ts";
import type { Runtime } from "./runtime.ts";

/** Why a command can come to nothing, whatever its handler does: it would fail again in the same way. */
export class UnfitCommand {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/**
 * Runs the handler; a promise where it, or a schema, is asynchronous.
 *
 * @throws {UnfitCommand} when the payload is not what the schema asks for.
 * @throws what the handler threw, or {AegisError} with code `INTERNAL_ERROR` for a result that is not what its schema says.
 */
export function runCommand(runtime: Runtime, run: CommandRun): unknown {
  return runtime.spans === undefined ? checkPayload(run) : runTraced(runtime, run);
}

async function runTraced({ spans }: Runtime, run: CommandRun): Promise<unknown> {
  const parent = run.header(HEADER.traceparent);
  const span = spans!.startCommand("consumer", run.service, run.handler.command, parent);
  run.span = span?.traceparent;
  try {
    const result = await checkPayload(run);
    span?.end();
    return result;
  } catch (error) {
    span?.end(error instanceof UnfitCommand ? error.error : error);
    throw error;
  }
}

function checkPayload(run: CommandRun): unknown {
  const { payload } = run.command;
  const schema = run.handler.settings.payload;
  if (schema === undefined) return handle(run, payload);
  let checked: unknown;
  try {
    checked = validate(schema, payload, () => `The payload of ${nameOf(run)} is not valid`);
  } catch (error) {
    throw unfit(error);
  }
  return checked instanceof Promise
    ? checked.then((valid) => handle(run, valid), (error) => {
      throw unfit(error);
    })
    : handle(run, checked);
}

/** What a schema says of a payload it will say again; that a schema itself failed may be different next time. */
function unfit(error: unknown): unknown {
  return ValidationError.is(error) ? new UnfitCommand(error) : error;
}

function handle(run: CommandRun, payload: unknown): unknown {
  const { command, handler } = run;
  const received: ReceivedCommand = {
    id: command.messageId,
    command: command.command,
    payload,
    priority: command.priority,
    maxRetries: command.maxRetries,
    timeoutMs: run.timeoutMs,
    timestamp: command.timestamp,
    source: command.source,
    traceId: command.traceId,
    correlationId: command.correlationId,
  };
  const result = handler.run(received as never, contextOf(run));
  return isThenable(result)
    ? Promise.resolve(result).then((value) => checkResult(run, value))
    : checkResult(run, result);
}

function contextOf(run: CommandRun): CommandContext {
  return Object.assign(new HandlerContext(run), {
    lastProgress: run.lastProgress,
    progress: (percent: number, status?: string, data?: unknown): Promise<void> => {
      try {
        run.checkLease();
        if (run.isAborted) throw run.abortReason;
        if (run.stage === "running") run.progress!.report(percent, status, data);
        return Promise.resolve();
      } catch (error) {
        const refused = Promise.reject(error);
        // Who does not await it, since it waits for nothing, must not end the process by that.
        refused.catch(() => {});
        return refused;
      }
    },
  });
}

function checkResult(run: CommandRun, result: unknown): unknown {
  const schema = run.handler.settings.result;
  if (schema === undefined) return result;
  let checked: unknown;
  try {
    checked = validate(schema, result, () => `The result of ${nameOf(run)} is not valid`);
  } catch (error) {
    throw unlike(error);
  }
  return checked instanceof Promise
    ? checked.catch((error) => {
      throw unlike(error);
    })
    : checked;
}

/** That a result is not what its schema says is the handler's fault: whoever sent the command has sent nothing invalid. */
function unlike(cause: unknown): unknown {
  return ValidationError.is(cause)
    ? new AegisError("INTERNAL_ERROR", cause.message, { cause })
    : cause;
}

function nameOf({ service, handler }: CommandRun): string {
  return `${handler.command} of ${service}`;
}
