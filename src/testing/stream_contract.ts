// The contract of streams: what every transport with streams does, as cases that any test runner can run.

import type { Clock } from "../ports/clock.ts";
import type { Case } from "./contract_tools.ts";
import { streamAck } from "./stream_ack.ts";
import { streamAdmin } from "./stream_admin.ts";
import { streamConsumer } from "./stream_consumer.ts";
import { streamFollow } from "./stream_follow.ts";
import { streamPublish } from "./stream_publish.ts";
import { streamPull } from "./stream_pull.ts";
import { streamPurge } from "./stream_purge.ts";
import { streamSubject } from "./stream_subject.ts";
import { streamTtl } from "./stream_ttl.ts";

/** The cases, which wait on `clock`: it has to be the system's. `testing.ts` gives it to them. */
export function streamCases(clock: Clock): readonly Case[] {
  return [
    ...streamPublish,
    ...streamAdmin,
    ...streamPull,
    ...streamAck,
    ...streamSubject,
    ...streamConsumer,
    ...streamFollow,
    ...streamPurge,
    ...streamTtl,
  ].map((make) => make(clock));
}
