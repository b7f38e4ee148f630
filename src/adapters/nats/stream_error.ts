// The errors of JetStream as the SDK's own, told apart by their numbers.

import {
  AegisError,
  ConflictError,
  QueueFullError,
  SerializationError,
  UnavailableError,
} from "../../domain/error.ts";
import { translateNatsError } from "./error.ts";
import type { ApiError } from "./pub_ack.ts";

/** The numbers of errors that are told apart. */
export const API_ERROR = {
  accountResourcesExceeded: 10002,
  noSuitablePeers: 10005,
  consumerCreate: 10012,
  consumerNameExists: 10013,
  consumerNotFound: 10014,
  noMessageFound: 10037,
  notEnabledForAccount: 10039,
  sequenceNotFound: 10043,
  streamCreate: 10049,
  streamInvalidConfig: 10052,
  messageTooLarge: 10054,
  streamMessageDeleteFailed: 10057,
  streamNameExists: 10058,
  streamNotFound: 10059,
  replicasNotUpdatable: 10061,
  subjectsOverlap: 10065,
  streamUpdate: 10069,
  wrongLastId: 10070,
  wrongLastSequence: 10071,
  replicasNotClustered: 10074,
  notEnabled: 10076,
  storeFailed: 10077,
  headerTooLarge: 10097,
  workQueueUnfiltered: 10099,
  workQueueNotUnique: 10100,
  workQueueNotDeliverAll: 10101,
  consumerExistingActive: 10105,
  consumerExists: 10148,
  duplicateInProcess: 10158,
  wrongLastSequenceConstant: 10164,
} as const;

/** The error for where JetStream is off. */
export function streamsDisabled(what: string, cause?: unknown): AegisError {
  return new AegisError(
    "JETSTREAM_DISABLED",
    `Cannot ${what}: the server has no JetStream; start it with "nats-server -js", or give its domain if it has one`,
    { cause },
  );
}

/** The error for a stream that is not there. */
export function streamNotFound(what: string, cause?: unknown): AegisError {
  return new AegisError("STREAM_NOT_FOUND", `Cannot ${what}: there is no such stream`, { cause });
}

/**
 * An error that JetStream gave, as one of the SDK's.
 *
 * @param what what was to be done: "publish to orders.created"
 * @param sent whether it may be done all the same
 */
export function translateApiError(error: ApiError, what: string, sent: boolean): Error {
  const { code = 0, err_code = 0, description = "" } = error;
  const details = { code, errCode: err_code, description };
  const options = { details };
  switch (err_code) {
    case API_ERROR.notEnabled:
    case API_ERROR.notEnabledForAccount:
      return streamsDisabled(what);
    case API_ERROR.streamNotFound:
      return streamNotFound(what);
    case API_ERROR.consumerNotFound:
      return new AegisError(
        "CONSUMER_NOT_FOUND",
        `Cannot ${what}: there is no such consumer`,
        options,
      );
    case API_ERROR.accountResourcesExceeded:
      return new QueueFullError(`Cannot ${what}: the account may store no more`, options);
    case API_ERROR.storeFailed:
      if (/maximum .*exceeded/.test(description)) {
        return new QueueFullError(
          `Cannot ${what}: the stream is full (${description}); raise its limits, or remove messages`,
          options,
        );
      }
      break;
    case API_ERROR.messageTooLarge:
    case API_ERROR.headerTooLarge:
      return new SerializationError(
        `Cannot ${what}: the stream takes no message of that size (${description})`,
        { ...options, code: "PAYLOAD_TOO_LARGE" },
      );
    case API_ERROR.wrongLastSequence:
    case API_ERROR.wrongLastSequenceConstant:
      return wrongSequence(what, description);
    case API_ERROR.wrongLastId:
    case API_ERROR.workQueueUnfiltered:
    case API_ERROR.workQueueNotUnique:
    case API_ERROR.workQueueNotDeliverAll:
      return new ConflictError(`Cannot ${what}: ${description}`, options);
  }
  // It cannot now, and may be able to in a moment: no leader, no resources, too much at once, the id is being stored.
  if (code === 503 || code === 429 || code === 409 || err_code === API_ERROR.noSuitablePeers) {
    return new UnavailableError(`Cannot ${what}: the server said "${description}"`, {
      details: { ...details, sent },
    });
  }
  return new AegisError("NATS", `Cannot ${what}: the server said "${description}"`, options);
}

/** The error for a message whose subject has another last message than was expected: the server may say which. */
function wrongSequence(what: string, description: string): ConflictError {
  const [, last] = /: (\d+)$/.exec(description) ?? [];
  if (last === undefined) {
    return new ConflictError(
      `Cannot ${what}: another message of that subject is just being stored; read the last one again`,
    );
  }
  const sequence = Number(last);
  const found = sequence === 0
    ? "there is no message of that subject"
    : `the last message of that subject has sequence ${sequence}`;
  return new ConflictError(
    `Cannot ${what}: ${found}, and another one was expected; read it again`,
    { details: { sequence } },
  );
}

/** What errors of `@nats-io/jetstream` have. They are told apart by name, for two copies of it may be about. */
interface Thrown {
  readonly name?: string;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly message?: string;
  readonly cause?: unknown;
}

/** The error in the words of JetStream that stands behind one of `@nats-io/jetstream`, if there is one. */
export function apiErrorOf(error: unknown): ApiError | undefined {
  const { name, code, status, message = "", cause } = (error ?? {}) as Thrown;
  if (name === "JetStreamNotEnabled") return cause === undefined ? undefined : apiErrorOf(cause);
  if (typeof code !== "number" || typeof status !== "number") return undefined;
  return { code: status, err_code: code, description: message };
}

/** Whether an error of `@nats-io/jetstream` is that one of JetStream. */
export function isApiError(error: unknown, ...numbers: readonly number[]): boolean {
  return numbers.includes(apiErrorOf(error)?.err_code ?? -1);
}

/**
 * Whether the server had no place for a stream that it was to make. After a stream was deleted, whatever it was stored in, a
 * server removes the folder of all streams in the background if that is empty, also under one that is just being made. When the
 * disk is full, or not the server's to write on, it says the same.
 */
export function hadNoPlace(error: unknown): boolean {
  const { err_code, description = "" } = apiErrorOf(error) ?? {};
  return err_code === API_ERROR.streamCreate && description === "error creating store for stream";
}

/** An error of `@nats-io/jetstream` as one of the SDK's. */
export function translateStreamError(error: unknown, what: string): Error {
  if (AegisError.is(error)) return error;
  const api = apiErrorOf(error);
  if (api !== undefined) return translateApiError(api, what, true);
  const { name, cause } = (error ?? {}) as Thrown;
  // Nobody at all listens to the requests of the API. Between two copies of nats-core it is what stands behind.
  const nobody = ["NoResponders", "NoRespondersError"];
  if (
    name === "JetStreamNotEnabled" || nobody.includes((cause as Thrown | undefined)?.name ?? "")
  ) {
    return streamsDisabled(what, error);
  }
  if (name === "InvalidNameError") {
    return new TypeError(`Cannot ${what}: ${(error as Error).message}`);
  }
  const translated = translateNatsError(error, what);
  return UnavailableError.is(translated)
    ? new UnavailableError(translated.message, {
      cause: error,
      details: { ...translated.details, sent: true },
    })
    : translated;
}
