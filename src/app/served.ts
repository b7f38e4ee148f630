// What is served: the methods, events and commands of an instance, as its record and the tools of NATS tell them.

import type { ServedBy } from "../domain/instance.ts";
import type { Served } from "../domain/instance_fit.ts";
import { jsonSchemaOf } from "../domain/json_schema.ts";
import type { Schema } from "../domain/schema.ts";
import type { Handler } from "./context.ts";

/** What handlers serve, with their schemas where their libraries give them as JSON Schema. */
export function servedBy(handlers: readonly Handler[]): Served {
  const methods: ServedBy[] = [], events: ServedBy[] = [], commands: ServedBy[] = [];
  for (const handler of handlers) {
    switch (handler.kind) {
      case "rpc": {
        const { params, result, description } = handler.options;
        methods.push(entry(handler.method, description, params, result));
        break;
      }
      case "event": {
        const { payload, description } = handler.settings;
        events.push(entry(handler.pattern, description, payload, undefined));
        break;
      }
      case "command": {
        const { payload, result, description } = handler.settings;
        commands.push(entry(handler.command, description, payload, result));
        break;
      }
    }
  }
  return { methods, events, commands };
}

function entry(
  name: string,
  description: string | undefined,
  takes: Schema | undefined,
  gives: Schema | undefined,
): ServedBy {
  const input = jsonSchemaOf(takes, "input");
  const output = jsonSchemaOf(gives, "output");
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
  };
}
