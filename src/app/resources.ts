// Resources: streams and consumers made to order. What is there is compared, changed where it may be, and never in silence.

import { ConflictError } from "../domain/error.ts";
import { fromText } from "../domain/deliver_from.ts";
import {
  isNewer,
  isSameProgram,
  isYielding,
  type Stamp,
  stamped,
  stampOf,
} from "../domain/stamp.ts";
import type { Logger } from "../ports/logger.ts";
import type { ConsumerConfig, ConsumerState, StreamAdmin, StreamConfig } from "../ports/stream.ts";

/** A setting that differs. */
export interface TopologyChange {
  /** Its name. */
  readonly setting: string;
  /** What it is. */
  readonly is: unknown;
  /** What it becomes, or would have to become. */
  readonly wanted: unknown;
}

/** A stream or a consumer that services need, and what becomes of it. */
export interface TopologyStep {
  /** What it is. */
  readonly kind: "stream" | "consumer";
  /** Its name. */
  readonly name: string;
  /** The stream that a consumer is of. */
  readonly stream?: string;
  /**
   * What becomes of it: it is made, changed, left as it is, or cannot be what is asked for. What a newer deployment of
   * the same service has set up is left as it is.
   */
  readonly action: "create" | "update" | "keep" | "conflict";
  /** Which settings differ; those of something that is made are its settings. */
  readonly changes: readonly TopologyChange[];
  /** Which service has set up what is there; undefined where nothing is there, or nobody knows. */
  readonly by?: string | undefined;
}

/** A step that can be taken. */
export interface PlannedStep {
  /** What it is. */
  readonly step: TopologyStep;
  /** Takes it. @throws {ConflictError} when it cannot be what is asked for. */
  apply(): Promise<void>;
}

/** A stream that is wanted. */
export interface WantedStream {
  /** Its settings where it is made; `description` without a stamp. */
  readonly config: StreamConfig;
  /** Those of them that the program has asked for, and not merely the defaults: what is there is changed to them. */
  readonly asked: Partial<StreamConfig>;
  /** Who asks. */
  readonly stamp: Stamp;
}

/** A consumer that is wanted; `description` without a stamp. */
export interface WantedConsumer {
  /** Its stream. */
  readonly stream: string;
  /** Its settings. */
  readonly config: ConsumerConfig;
  /** Who asks. */
  readonly stamp: Stamp;
}

const FIXED_OF_STREAM = ["storage", "retention"];
const FIXED_OF_CONSUMER = ["filter", "from", "service"];

/** What becomes of a stream. */
export async function planStream(
  admin: StreamAdmin,
  { config, asked, stamp }: WantedStream,
): Promise<PlannedStep> {
  const { name } = config;
  const there = await admin.stream(name);
  const base = { kind: "stream", name } as const;
  if (there === undefined) {
    const made = { ...config, description: stamped(config.description, stamp) };
    return {
      step: { ...base, action: "create", changes: settingsOf(config) },
      apply: () => admin.createStream(made),
    };
  }
  const is = there.config;
  const changes = changesOf(is, asked);
  const subjects = mergeSubjects(is.subjects, config.subjects);
  if (subjects !== is.subjects) {
    changes.push({ setting: "subjects", is: is.subjects, wanted: subjects });
  }
  const known = stampOf(is.description);
  if (isNewer(known, stamp)) return kept(base, changes);
  const isFixed = changes.some(({ setting }) => FIXED_OF_STREAM.includes(setting));
  if (isYielding(stamp, known) && !isFixed) {
    if (subjects === is.subjects) return kept(base, changes);
    return {
      step: { ...base, action: "update", changes: changes.slice(-1), by: known?.by },
      apply: () => admin.updateStream({ ...is, subjects }),
    };
  }
  if (changes.length === 0) {
    // Who asks for nothing has no settings that somebody older could undo.
    if (Object.keys(asked).length === 0 || known === undefined || !isNewer(stamp, known)) {
      return kept(base, changes);
    }
    changes.push({ setting: "version", is: known?.version, wanted: stamp.version });
  }
  if (isFixed) return conflicting(base, changes);
  const next = { ...is, ...asked, subjects, description: stamped(config.description, stamp) };
  return {
    step: { ...base, action: "update", changes, by: known?.by },
    apply: () => admin.updateStream(next),
  };
}

/** What becomes of a consumer. */
export async function planConsumer(
  admin: StreamAdmin,
  { stream, config, stamp }: WantedConsumer,
): Promise<PlannedStep> {
  const { name } = config;
  const base = { kind: "consumer", name, stream } as const;
  const there = await admin.consumer(stream, name);
  const description = describe(config, stamp);
  if (there === undefined) {
    return {
      step: { ...base, action: "create", changes: settingsOf(config) },
      apply: () => admin.putConsumer(stream, { ...config, description }),
    };
  }
  const wanted = { ...config, description, ackWaitMs: ackWaitFor(there, config) };
  const { changes, from } = compareConsumer(there, wanted);
  const known = stampOf(there.config.description);
  if (known !== undefined && !isSameProgram(known, stamp)) {
    // They would share it, and each would get a part of what both want.
    changes.push({ setting: "service", is: known.by, wanted: stamp.by });
  }
  if (changes.some(({ setting }) => FIXED_OF_CONSUMER.includes(setting))) {
    return conflicting(base, changes);
  }
  if (isNewer(known, stamp)) return kept(base, changes);
  // The next older deployment must see that this one was there, even where both want the same.
  if (changes.length === 0 && (known === undefined || !isNewer(stamp, known))) {
    return kept(base, changes);
  }
  return {
    step: {
      ...base,
      action: "update",
      changes: changes.length > 0
        ? changes
        : [{ setting: "version", is: known?.version, wanted: stamp.version }],
      by: known?.by,
    },
    apply: () => admin.putConsumer(stream, { ...wanted, from }),
  };
}

/** A step as text, for people. */
export function stepText({ action, kind, name, stream, changes }: TopologyStep): string {
  const what = `${action} ${kind} ${name}${stream === undefined ? "" : ` of ${stream}`}`;
  const list = changes.map(({ setting, is, wanted }) =>
    is === undefined
      ? `${setting} ${JSON.stringify(wanted)}`
      : `${setting} ${JSON.stringify(is)} → ${JSON.stringify(wanted)}`
  );
  return list.length === 0 ? what : `${what}: ${list.join(", ")}`;
}

/** Logs a step that was taken; louder where it changes what another service has set up. */
export function logStep(logger: Logger, step: TopologyStep, stamp: Stamp): void {
  if (step.action === "keep") return;
  const others = step.by !== undefined && !isSameProgram({ by: step.by, version: "" }, stamp);
  logger[others ? "warn" : "info"](stepText(step), { for: stamp.by, version: stamp.version });
}

/** Where a consumer that was lost begins again; what it says of itself stays as it was asked for. */
export function restarted(
  { config, stamp }: WantedConsumer,
  from: ConsumerConfig["from"],
): ConsumerConfig {
  return { ...config, from, description: describe(config, stamp) };
}

function describe(config: ConsumerConfig, stamp: Stamp): string {
  // Where it began is what the program asked for, and not what became of it after it was lost once.
  return stamped(`${config.description}, from ${fromText(config.from)}`, stamp);
}

/**
 * The ack wait that a consumer can have: a longer one at once, a shorter one only while nobody is there, since a server
 * goes by it from then on also with what is in hand, of which it has been told by the longer one.
 */
function ackWaitFor(there: ConsumerState, { ackWaitMs }: ConsumerConfig): number {
  const isUsed = there.ackPending > 0 || there.waiting > 0;
  return isUsed ? Math.max(ackWaitMs, there.config.ackWaitMs) : ackWaitMs;
}

function compareConsumer(
  { config: is }: ConsumerState,
  wanted: ConsumerConfig,
): { readonly changes: TopologyChange[]; readonly from: ConsumerConfig["from"] } {
  const { filter, ackWaitMs, maxAckPending, inactiveThresholdMs } = wanted;
  const changes = changesOf(is, { filter, ackWaitMs, maxAckPending, inactiveThresholdMs });
  const asked = /, from ([^,]+) \(set up by \S+ \S+\)$/.exec(is.description)?.[1] ??
    fromText(is.from);
  if (asked !== fromText(wanted.from)) {
    changes.push({ setting: "from", is: asked, wanted: fromText(wanted.from) });
  }
  return { changes, from: is.from };
}

function changesOf<T extends object>(is: T, wanted: Partial<T>): TopologyChange[] {
  const changes: TopologyChange[] = [];
  for (const setting of Object.keys(wanted) as (keyof T & string)[]) {
    if (wanted[setting] === undefined) continue;
    if (JSON.stringify(is[setting]) === JSON.stringify(wanted[setting])) continue;
    changes.push({ setting, is: is[setting], wanted: wanted[setting] });
  }
  return changes;
}

function settingsOf(config: object): TopologyChange[] {
  return Object.entries(config)
    .filter(([setting]) => setting !== "name" && setting !== "description")
    .map(([setting, wanted]) => ({ setting, is: undefined, wanted }));
}

type Base = Pick<TopologyStep, "kind" | "name" | "stream">;

function kept(base: Base, changes: readonly TopologyChange[]): PlannedStep {
  return { step: { ...base, action: "keep", changes }, apply: () => Promise.resolve() };
}

function conflicting(base: Base, changes: readonly TopologyChange[]): PlannedStep {
  const fixed = base.kind === "stream" ? FIXED_OF_STREAM : FIXED_OF_CONSUMER;
  return {
    step: { ...base, action: "conflict", changes },
    apply: () => {
      const list = changes.filter(({ setting }) => fixed.includes(setting)).map((change) =>
        `"${change.setting}" is ${JSON.stringify(change.is)} and should be ${
          JSON.stringify(change.wanted)
        }`
      );
      return Promise.reject(
        new ConflictError(
          `Cannot use the ${base.kind} ${base.name} as it is: ${
            list.join(", ")
          }, which cannot be changed; ${
            base.kind === "stream"
              ? "ask for what is there, or remove the stream"
              : "ask for what is there, give the handler another name, or remove the consumer"
          }`,
          { details: { ...base, changes } },
        ),
      );
    },
  };
}

/** What a stream has to cover; the same list where it does so already. */
function mergeSubjects(is: readonly string[], wanted: readonly string[]): readonly string[] {
  const missing = wanted.filter((subject) => !is.some((other) => covers(other, subject)));
  if (missing.length === 0) return is;
  return [...is.filter((other) => !missing.some((subject) => covers(subject, other))), ...missing];
}

/** Whether every subject that `inner` fits is one that `outer` fits. */
export function covers(outer: string, inner: string): boolean {
  const [own, other] = [outer.split("."), inner.split(".")];
  for (let i = 0; i < own.length; i++) {
    if (own[i] === ">") return other.length > i;
    if (i >= other.length || other[i] === ">") return false;
    if (own[i] !== "*" && own[i] !== other[i]) return false;
  }
  return own.length === other.length;
}
