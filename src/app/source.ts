// The source of a handler's events or commands: its consumer, made to order, and made again when it is lost.

import { AegisError } from "../domain/error.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Timer } from "../ports/clock.ts";
import type { ConsumerConfig, ConsumerState, Delivery, Pull } from "../ports/stream.ts";
import type { BusStreams, StreamKey } from "./bus_streams.ts";
import { assertBegun, warnOfAckWait } from "./consumer_checks.ts";
import { pause } from "./pause.ts";
import { logStep, planConsumer, restarted } from "./resources.ts";
import type { Runtime } from "./runtime.ts";

/** How messages come to a handler. */
export interface SourceHealth {
  /** Whether they come: the consumer is there and the server serves it. */
  readonly ok: boolean;
  /** The stream. */
  readonly stream: string;
  /** The consumer. */
  readonly consumer: string;
  /** How many messages of the stream have not been delivered yet, as of a while ago; undefined where nobody knows. */
  readonly pending: number | undefined;
  /** What is wrong, if anything is. */
  readonly error: Error | undefined;
}

/** What a source is made of. */
export interface SourceParts {
  readonly runtime: Runtime;
  readonly streams: BusStreams;
  /** The stream that the consumer is of. */
  readonly key: StreamKey;
  readonly config: ConsumerConfig;
  readonly stamp: Stamp;
  /** Whether the consumer goes with this instance. */
  readonly ephemeral: boolean;
}

/**
 * How often it is looked how far the consumer is, in milliseconds, while events come and while none do: should it be lost,
 * what was handled since then is handled again.
 */
const LOOK_MS = 1_000;
const IDLE_LOOK_MS = 15_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;
/** How long the broker may take to confirm acknowledgements; whoever waits has a limit of their own. */
const SETTLE_MS = 60_000;

/** Deliveries of one consumer, whatever becomes of the consumer. */
export class Source {
  readonly #parts: SourceParts;
  #stream = "";
  #pull: Pull | undefined;
  #onDelivery: (delivery: Delivery) => void = () => {};
  #onOpen: () => void = () => {};
  #error: Error | undefined;
  #pending: number | undefined;
  #floor = 0;
  #streamMadeAt = 0;
  #prepared = false;
  #ackWaitMs: number;
  /** Whether anything has come since it was looked how far the consumer is. */
  #moved = false;
  /** Whether nothing has for a while: what comes then is a reason to look at once. */
  #resting = true;
  #sinceLookMs = 0;
  #restoring = false;
  #closed = false;
  #timer: Timer | undefined;

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#ackWaitMs = parts.config.ackWaitMs;
  }

  /** The ack wait that the server goes by, in milliseconds, as it was when it was last looked. */
  get ackWaitMs(): number {
    return this.#ackWaitMs;
  }

  /** The sequence up to which everything was done when it was last looked. */
  get floor(): number {
    return this.#floor;
  }

  /** The stream; known once it is prepared. */
  get stream(): string {
    return this.#stream;
  }

  /** How many deliveries were asked for and have not come. */
  get asked(): number {
    return this.#pull?.asked ?? 0;
  }

  /** Looks what would have to be done. @throws {ConflictError} when it cannot be as it must be. */
  async plan(): Promise<void> {
    const { runtime: { clock }, streams, key, config, stamp } = this.#parts;
    assertBegun(config, clock.now());
    const { name, planned } = await streams.plan(key, stamp);
    if (planned?.step.action === "conflict") await planned.apply();
    const consumer = await planConsumer(streams.ports.admin, { stream: name, config, stamp });
    if (consumer.step.action === "conflict") await consumer.apply();
  }

  /** Makes the stream and the consumer, or compares them. @throws {ConflictError} when they cannot be what they must be. */
  async prepare(): Promise<void> {
    const { runtime, streams, key, config, stamp } = this.#parts;
    const { admin } = streams.ports;
    this.#stream = await streams.name(key, stamp);
    let before = await admin.stream(this.#stream);
    if (before === undefined) {
      // It has gone since somebody on this bus has found it.
      this.#stream = await streams.renewed(key, stamp);
      before = await admin.stream(this.#stream);
    }
    const planned = await planConsumer(admin, { stream: this.#stream, config, stamp });
    await planned.apply();
    logStep(runtime.logger, planned.step, stamp);
    const state = await admin.consumer(this.#stream, config.name);
    this.#found(state);
    this.#pending = state?.pending;
    this.#floor = state?.ackFloor ?? 0;
    this.#streamMadeAt = before?.createdAt ?? 0;
    if (planned.step.action === "create" && config.from === "new") {
      this.#floor = Math.max(this.#floor, before?.lastSequence ?? 0);
    }
    this.#prepared = true;
  }

  /** Begins to hand over what is asked for. `onOpen` is called whenever nothing is asked for any more. */
  open(onDelivery: (delivery: Delivery) => void, onOpen: () => void): void {
    this.#onDelivery = onDelivery;
    this.#onOpen = onOpen;
    this.#openPull();
    this.#watch();
  }

  /** Asks for `count` more. While the consumer is made again this does nothing. */
  ask(count: number): void {
    this.#pull?.ask(count);
  }

  /** How it is doing. */
  health(): SourceHealth {
    return {
      ok: this.#prepared && this.#error === undefined,
      stream: this.#stream,
      consumer: this.#parts.config.name,
      pending: this.#pending,
      error: this.#error,
    };
  }

  /** Asks for no more; resolves when what had been sent was handed over. */
  async drain(withinMs: number): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#pull?.close(withinMs);
  }

  /** Resolves when the broker has heard of everything that was done. */
  async whenSettled(): Promise<void> {
    await this.#pull?.settled(SETTLE_MS);
  }

  /** Lets go of it; what is of this instance alone is removed. */
  async close(withinMs: number): Promise<void> {
    await this.drain(withinMs);
    const { runtime, streams, config, ephemeral } = this.#parts;
    if (!ephemeral || this.#stream === "" || runtime.transport.status !== "connected") return;
    // The server removes it in a while by itself.
    await streams.ports.admin.deleteConsumer(this.#stream, config.name).catch(() => undefined);
  }

  #openPull(): void {
    const { streams, config } = this.#parts;
    const pull: Pull = streams.ports.store.pull(this.#stream, config.name, {
      onDelivery: (delivery) => {
        this.#moved = true;
        if (this.#resting && !this.#closed) this.#look();
        this.#onDelivery(delivery);
      },
      onGone: () => {
        if (pull === this.#pull) void this.#restore(pull);
      },
      onHealth: (error) => {
        if (pull === this.#pull) this.#changed(error);
      },
    });
    this.#pull = pull;
    this.#onOpen();
  }

  #changed(error: Error | undefined): void {
    const { runtime: { logger }, config } = this.#parts;
    const isNews = (error === undefined) !== (this.#error === undefined);
    this.#error = error;
    if (!isNews) return;
    if (error === undefined) logger.info(`Messages come again by ${config.name}`);
    else logger.warn(`No messages come by ${config.name} at the moment`, { error });
  }

  /** Makes the consumer again, from where it was, until it is there or nobody wants it. */
  async #restore(lost: Pull): Promise<void> {
    if (this.#restoring || this.#closed) return;
    this.#restoring = true;
    const { runtime, config } = this.#parts;
    this.#pull = undefined;
    this.#changed(
      new AegisError("CONSUMER_LOST", `The consumer ${config.name} is gone, and is made again`),
    );
    // What it still holds belongs to a consumer that is no more.
    void lost.close(0).catch(() => undefined);
    for (let wait = FIRST_RETRY_MS; !this.#closed; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
      try {
        await this.#makeAgain();
        break;
      } catch (error) {
        if (runtime.transport.status === "closed") break;
        this.#changed(error as Error);
        await pause(runtime, wait * (0.5 + runtime.random.next() / 2));
      }
    }
    this.#restoring = false;
    if (this.#closed || runtime.transport.status === "closed") return;
    this.#openPull();
    this.#changed(undefined);
  }

  async #makeAgain(): Promise<void> {
    const { streams, key, config, stamp } = this.#parts;
    const { admin } = streams.ports;
    this.#stream = await streams.renewed(key, stamp);
    // Another instance may have been faster.
    const there = await admin.consumer(this.#stream, config.name);
    // What a work queue holds nobody has done, wherever it is.
    const whole = await this.#isAnother() || key.startsWith("commands.");
    if (there !== undefined) return this.#found(there);
    const from = whole ? "all" : { sequence: this.#floor + 1 };
    await admin.putConsumer(
      this.#stream,
      // Who still has something in hand tells of it by the ack wait that was in force.
      { ...restarted({ stream: this.#stream, config, stamp }, from), ackWaitMs: this.#ackWaitMs },
    );
  }

  /** Takes notice of the ack wait that is in force, which others may have set. */
  #found(state: ConsumerState | undefined): void {
    if (state === undefined || state.config.ackWaitMs === this.#ackWaitMs) return;
    this.#ackWaitMs = state.config.ackWaitMs;
    const { runtime: { logger }, config } = this.#parts;
    if (config.ackWaitMs !== this.#ackWaitMs) warnOfAckWait(logger, config, this.#ackWaitMs);
  }

  /** Whether the stream is another one of its name. Of that only what its consumer says is done, which is the floor then. */
  async #isAnother(): Promise<boolean> {
    const { streams: { ports: { admin } }, config } = this.#parts;
    const state = await admin.stream(this.#stream);
    const madeAt = state?.createdAt ?? 0;
    if (madeAt === this.#streamMadeAt && this.#floor <= (state?.lastSequence ?? 0)) return false;
    // Asked after the stream, so that the floor is never one of a stream before it.
    this.#floor = (await admin.consumer(this.#stream, config.name))?.ackFloor ?? 0;
    this.#streamMadeAt = madeAt;
    return true;
  }

  /** Looks how far the consumer is while messages come, less often while none do, and soon after an outage. */
  #watch(): void {
    const { runtime: { clock, transport } } = this.#parts;
    this.#timer = clock.setTimer(LOOK_MS, () => {
      if (this.#closed) return;
      const isHere = transport.status === "connected";
      this.#sinceLookMs = isHere ? this.#sinceLookMs + LOOK_MS : IDLE_LOOK_MS;
      if (isHere && (this.#moved || this.#sinceLookMs >= IDLE_LOOK_MS)) return this.#look();
      this.#resting = true;
      this.#watch();
    });
  }

  #look(): void {
    this.#timer?.cancel();
    this.#resting = this.#moved = false;
    this.#sinceLookMs = 0;
    const { streams, config } = this.#parts;
    streams.ports.admin.consumer(this.#stream, config.name).then(async (state) => {
      if (state === undefined) return;
      this.#found(state);
      this.#pending = state.pending;
      // Less is said of another stream, and before 2.11 of a consumer that has no acknowledgement yet.
      if (state.ackFloor < this.#floor) await this.#isAnother();
      else this.#floor = state.ackFloor;
    }).catch(() => {
      // The next one may come through, and is soon; deliveries tell by themselves when they stop.
      this.#sinceLookMs = IDLE_LOOK_MS - LAST_RETRY_MS;
    }).finally(() => this.#closed || this.#watch());
  }
}
