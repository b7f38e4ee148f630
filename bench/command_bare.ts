// A work queue by hand, as a user of bare nats.js writes one: no record, nothing is told again, nothing is cancelled.

import {
  AckPolicy,
  jetstream,
  jetstreamManager,
  type JsMsg,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { createInbox } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { OrderResult } from "./contract.ts";
import { CONCURRENCY, QUEUES, STATUS, WORK, type WorkParams } from "./command_contract.ts";

/** Sends one, and resolves with its result. */
export type SendOne = (params: WorkParams, onStep: () => void) => Promise<OrderResult>;

/** A command on its way. */
interface Body extends WorkParams {
  readonly id: string;
  /** Where its sender listens. */
  readonly inbox: string;
}

/** Makes the stream and its consumer, and works. */
export async function workBare(servers: string): Promise<void> {
  const connection = await connect({ servers });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: QUEUES.bare,
    subjects: [WORK.bareSubject],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
  });
  await manager.consumers.add(QUEUES.bare, {
    durable_name: WORK.bareDurable,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 20_000,
  });
  const consumer = await jetstream(connection).consumers.get(QUEUES.bare, WORK.bareDurable);
  // The best of its settings here: a callback, and as many ahead as run at once.
  await consumer.consume({ max_messages: CONCURRENCY, callback: (message) => void work(message) });

  async function work(message: JsMsg): Promise<void> {
    const { id, inbox, orderId, reports } = message.json<Body>();
    for (let step = 1; step <= reports; step++) {
      await report(`${inbox}.progress.${id}`, step * 100 / reports);
    }
    const result: OrderResult = { orderId, status: "created" };
    connection.publish(`${inbox}.result.${id}`, JSON.stringify(result));
    message.ack();
  }

  // Asynchronous, as whatever a handler awaits.
  // deno-lint-ignore require-await
  async function report(subject: string, percent: number): Promise<void> {
    connection.publish(subject, JSON.stringify({ percent, status: STATUS }));
  }
}

/** Sends to it. */
export async function sendBare(servers: string): Promise<SendOne> {
  const connection = await connect({ servers });
  const js = jetstream(connection);
  const inbox = createInbox();
  const waiting = new Map<
    string,
    { readonly onStep: () => void; readonly resolve: (result: OrderResult) => void }
  >();
  const idOf = (subject: string): string => subject.slice(subject.lastIndexOf(".") + 1);
  connection.subscribe(`${inbox}.progress.*`, {
    callback: (error, message) => {
      if (error) throw error;
      message.json();
      waiting.get(idOf(message.subject))?.onStep();
    },
  });
  connection.subscribe(`${inbox}.result.*`, {
    callback: (error, message) => {
      if (error) throw error;
      const id = idOf(message.subject);
      waiting.get(id)?.resolve(message.json<OrderResult>());
      waiting.delete(id);
    },
  });
  await connection.flush();
  let sent = 0;
  return async (params, onStep) => {
    const id = `${++sent}`;
    const { promise, resolve } = Promise.withResolvers<OrderResult>();
    waiting.set(id, { onStep, resolve });
    const body: Body = { id, inbox, ...params };
    await js.publish(WORK.bareSubject, JSON.stringify(body));
    return await promise;
  };
}
