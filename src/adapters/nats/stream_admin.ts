// Making, comparing and removing streams and consumers on a NATS server.

import type { NatsConnection } from "@nats-io/nats-core";
import { AegisError, ConflictError } from "../../domain/error.ts";
import type {
  ConsumerConfig,
  ConsumerState,
  StreamAdmin,
  StreamConfig,
  StreamState,
} from "../../ports/stream.ts";
import { hasFastIngest, hasMessageTtl, hasSchedules } from "./capabilities.ts";
import {
  CHANGEABLE,
  changesOf,
  consumerDifferences,
  fromServer as consumerState,
  toServer as consumerConfig,
} from "./consumer_config.ts";
import { consumerNames } from "./consumer_names.ts";
import { pause } from "./pause.ts";
import type { StreamApi } from "./stream_api.ts";
import {
  fromServer as streamState,
  isFixed,
  streamDifferences,
  toServer as streamConfig,
} from "./stream_config.ts";
import { settingsConflict } from "./stream_conflict.ts";
import { API_ERROR, apiErrorOf, hadNoPlace, isApiError, streamNotFound } from "./stream_error.ts";

/** How often a consumer is looked for and made while others make and delete it. */
const MAX_ATTEMPTS = 3;
/** How long is waited before a stream that the server had no place for is made again, in milliseconds, each time. */
const PLACE_WAITS_MS = [5, 20, 80, 320];
const ALREADY_THERE = [
  API_ERROR.consumerExists,
  API_ERROR.consumerNameExists,
  API_ERROR.consumerExistingActive,
];
const REFUSED_CHANGE = [API_ERROR.streamInvalidConfig, API_ERROR.streamUpdate];

/** Streams and consumers on the server of `connection`, asked for over `api`. */
export function createStreamAdmin(connection: NatsConnection, api: StreamApi): StreamAdmin {
  const batched = (): boolean => hasFastIngest(connection);
  /** What of the wanted settings the server can have: what an older one has not is no conflict. */
  const possible = (config: StreamConfig): StreamConfig => ({
    ...config,
    schedules: config.schedules && hasSchedules(connection),
    messageTtl: config.messageTtl && hasMessageTtl(connection),
  });

  const stream = (name: string): Promise<StreamState | undefined> =>
    api.run(
      `look for the stream ${name}`,
      async (manager) => streamState(await manager.streams.info(name)),
    ).catch(undefinedFor("STREAM_NOT_FOUND"));

  const consumer = (stream: string, name: string): Promise<ConsumerState | undefined> =>
    api.run(
      `look for the consumer ${name} of the stream ${stream}`,
      async (manager) => consumerState(await manager.consumers.info(stream, name)),
    ).catch(undefinedFor("STREAM_NOT_FOUND", "CONSUMER_NOT_FOUND"));

  const streamOf = (subject: string): Promise<string | undefined> =>
    api.run(
      `look for the stream of ${subject}`,
      (manager) => manager.streams.find(subject),
    ).catch(undefinedFor("STREAM_NOT_FOUND"));

  /** Makes a stream, unless there is one as it is wanted; false when the server had no place for it and `again` may be. */
  const makeStream = (what: string, config: StreamConfig, again: boolean): Promise<boolean> =>
    api.run(what, async (manager) => {
      await manager.streams.add(streamConfig(config, batched()));
      return true;
    }, async (error) => {
      if (again && hadNoPlace(error)) return false;
      await explain(what, config, error, streamOf);
      if (!isApiError(error, API_ERROR.streamNameExists)) return undefined;
      const there = await stream(config.name);
      const differences = there === undefined ? [] : streamDifferences(there.config, config);
      if (differences.length === 0) return true;
      throw settingsConflict(what, "there is one with other settings", differences, error);
    });

  /** Makes a consumer; false when there is one of that name. */
  const makeConsumer = (what: string, stream: string, config: ConsumerConfig): Promise<boolean> =>
    api.run(what, async (manager) => {
      await manager.consumers.add(stream, consumerConfig(config));
      return true;
    }, (error) => {
      if (isApiError(error, ...ALREADY_THERE)) return false;
      if (!isApiError(error, API_ERROR.consumerCreate)) return undefined;
      throw settingsConflict(
        what,
        `the server said "${apiErrorOf(error)?.description}"`,
        [],
        error,
      );
    });

  const changeConsumer = async (
    stream: string,
    config: ConsumerConfig,
    there: ConsumerConfig,
  ): Promise<void> => {
    const what = `change the consumer ${config.name} of the stream ${stream}`;
    const differences = consumerDifferences(there, config);
    const fixed = differences.filter(({ setting }) => !CHANGEABLE.includes(setting));
    if (fixed.length > 0) throw settingsConflict(what, "what cannot be changed differs", fixed);
    if (differences.length === 0) return;
    await api.run(what, async (manager) => {
      await manager.consumers.update(stream, config.name, changesOf(config));
      return true;
    }, (error) => {
      if (!isApiError(error, API_ERROR.consumerCreate)) return undefined;
      const reason = `the server said "${apiErrorOf(error)?.description}"`;
      throw settingsConflict(what, reason, differences, error);
    });
  };

  return {
    stream,
    streamOf,
    consumer,
    async createStream(wanted) {
      const config = possible(wanted);
      const what = `make the stream ${config.name}`;
      for (let waits = 0; !await makeStream(what, config, waits < PLACE_WAITS_MS.length); waits++) {
        await pause(PLACE_WAITS_MS[waits]!);
      }
    },
    async updateStream(wanted) {
      const config = possible(wanted);
      const what = `change the stream ${config.name}`;
      const there = await stream(config.name);
      if (there === undefined) throw streamNotFound(what);
      const differences = streamDifferences(there.config, config);
      const fixed = differences.filter(isFixed);
      if (fixed.length > 0) {
        throw settingsConflict(what, "what cannot be changed differs", fixed);
      }
      await api.run(what, async (manager) => {
        await manager.streams.update(config.name, streamConfig(config, batched()));
        return true;
      }, async (error) => {
        await explain(what, config, error, streamOf);
        if (!isApiError(error, ...REFUSED_CHANGE)) return undefined;
        const reason = `the server said "${apiErrorOf(error)?.description}"`;
        throw settingsConflict(what, reason, differences, error);
      });
    },
    async putConsumer(stream, config) {
      const what = `make the consumer ${config.name} of the stream ${stream}`;
      // Somebody else may make or delete it at the same moment.
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const there = await consumer(stream, config.name);
        if (there !== undefined) return await changeConsumer(stream, config, there.config);
        if (await makeConsumer(what, stream, config)) return;
      }
      throw settingsConflict(what, "others make and delete it at the same time", []);
    },
    deleteConsumer: (stream, name) =>
      api.run(
        `delete the consumer ${name} of the stream ${stream}`,
        (manager) => manager.consumers.delete(stream, name),
        (error) =>
          isApiError(error, API_ERROR.consumerNotFound, API_ERROR.streamNotFound)
            ? false
            : undefined,
      ),
    consumers: (stream) => consumerNames(connection, api, stream),
  };
}

/** Throws the error for a stream whose settings the server refused, where more can be said than the server does. */
async function explain(
  what: string,
  { name, subjects, replicas }: StreamConfig,
  error: unknown,
  streamOf: (subject: string) => Promise<string | undefined>,
): Promise<void> {
  if (isApiError(error, API_ERROR.replicasNotClustered, API_ERROR.replicasNotUpdatable)) {
    throw settingsConflict(what, "the server is in no cluster that can have them", [
      { setting: "replicas", is: 1, wanted: replicas },
    ], error);
  }
  if (!isApiError(error, API_ERROR.subjectsOverlap)) return;
  for (const subject of subjects) {
    // One that several streams have parts of has no stream of its own.
    const other = await streamOf(subject);
    if (other === undefined || other === name) continue;
    throw new ConflictError(
      `Cannot ${what}: the stream ${other} stores ${subject}, in whole or in part, and no message is stored by two; choose other subjects`,
      { cause: error, details: { stream: other, subject } },
    );
  }
  throw settingsConflict(what, "subjects of it are those of several other streams", [], error);
}

function undefinedFor(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (codes.some((code) => AegisError.is(error, code))) return undefined;
    throw error;
  };
}
