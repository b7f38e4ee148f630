// Messages that expect another one to be the last of their subject, on servers that would store several such.

import type { PublishAck } from "../../ports/stream.ts";
import type { ApiError } from "./pub_ack.ts";
import { API_ERROR } from "./stream_error.ts";

const EXPECTED = "Nats-Expected-Last-Subject-Sequence";
const ID = "Nats-Msg-Id";

/**
 * Headers with an id that all have in common who expect the same, so that one of them is stored; undefined where none is
 * needed, or there is another one. Servers before 2.10.5 look at what is expected before a message is replicated, and let
 * through all that come meanwhile. They look at ids, and at whether there is a message at all, once more after that.
 */
export function exclusive(
  subject: string,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  const expected = headers[EXPECTED];
  if (expected === undefined || expected === "0" || headers[ID] !== undefined) return undefined;
  return { ...headers, [ID]: `after ${expected} on ${subject}` };
}

/** What is answered to such a message: that there was one with its id is that another one was expected. */
export function exclusiveAnswer(answer: PublishAck | ApiError): PublishAck | ApiError {
  if ("sequence" in answer) {
    if (!answer.duplicate) return answer;
    const description = `wrong last sequence: ${answer.sequence}`;
    return { code: 400, err_code: API_ERROR.wrongLastSequence, description };
  }
  if (answer.err_code !== API_ERROR.duplicateInProcess) return answer;
  return { ...answer, err_code: API_ERROR.wrongLastSequenceConstant };
}
