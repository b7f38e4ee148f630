// A call that is refused in its turn, and taken back in the moment between that and its end, ends once.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  AegisError,
  connect,
  createClient,
  createService,
  type Message,
  rpc,
  type Schema,
  type Span,
} from "../../mod.ts";
import { createMemoryTransport } from "../../testing.ts";
import { errorOf, recordingLogger } from "./buses.ts";

/** A schema that refuses everything, some time later. */
const refusing = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: async () => {
      await Promise.resolve();
      return { issues: [{ message: "no" }] };
    },
  },
} as unknown as Schema<object>;

test("a call that is taken back while it is refused leaves once", async () => {
  const transport = createMemoryTransport();
  const { messaging } = transport;
  const { subscribe, publish } = messaging;
  let cancel = (_message: Message): void => {};
  let id = "";
  messaging.subscribe = (subject, options) => {
    if (subject.startsWith("internal.rpc.cancel.")) cancel = options.onMessage;
    return subscribe(subject, options);
  };
  messaging.publish = (subject, body, ...rest) => {
    if (subject === "rpc.shop.work") id = JSON.parse(body as string).message_id;
    publish(subject, body, ...rest);
  };
  const ended: unknown[] = [];
  const tracer = {
    start: (): Span => ({
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      end(error) {
        if (ended.push(error) > 1) return;
        cancel({ subject: "", data: new TextEncoder().encode(id) });
      },
    }),
  };
  await using bus = await connect({ transport, logger: recordingLogger([]), tracer });
  const work = rpc("work", { params: refusing, concurrency: 1 }, () => "done");
  const service = createService("shop", { bus, handlers: [work], concurrency: 1 });
  await service.start();
  const { call } = createClient({ bus });
  const error = await errorOf(call("shop", "work"));
  ok(AegisError.is(error, "CANCELLED"), String(error));
  strictEqual((await service.health()).inFlight, 0);
  // The turns are what they were: one, not two.
  const next = await errorOf(call("shop", "work")) as AegisError;
  deepStrictEqual([next.code, next.details.sent], ["INVALID_REQUEST", false]);
  strictEqual((await service.health()).inFlight, 0);
  await service.stop();
});
