// The buckets of one bus: opened once, whoever asks for them.

import { AegisError, ClosedError } from "../domain/error.ts";
import { assertBucketName } from "../domain/kv_key.ts";
import { assertBucketOptions } from "../domain/kv_options.ts";
import type { Codec } from "../ports/codec.ts";
import type { Kv, KvOptions } from "../ports/kv.ts";
import { BucketKv } from "./kv.ts";
import { KvBucket } from "./kv_bucket.ts";
import type { FeedHealth } from "./kv_event.ts";
import { KvFeeds } from "./kv_feeds.ts";
import type { KvLimits, KvParts, KvPorts } from "./kv_parts.ts";
import {
  bucketConflict,
  type BucketSettings,
  contradictions,
  type WantedBucket,
} from "./kv_plan.ts";
import { BrokerTime } from "./kv_time.ts";
import { KvValues } from "./kv_values.ts";
import type { Parking } from "./parking.ts";
import { unless } from "./pause.ts";
import { assertHere, type Runtime } from "./runtime.ts";

/** How a bucket is opened by what runs on the bus itself. */
export interface KvInternals {
  /** What values are written with; what is read may be in any encoding that the bus understands. @default the bus's */
  readonly codec?: Codec;
  /** Whether what is there is used whatever its settings are; `options` are those of one that is made. @default {false} */
  readonly adopt?: boolean;
  /** Whether other servers than the leader may answer, where it is made, and are asked where it is there. @default {true} */
  readonly direct?: boolean;
  /** Whether a value that cannot be read is given as undefined, for whoever has to know that somebody has spoilt it. @default {false} */
  readonly lenient?: boolean;
}

/** How long opening may take where nobody says it, in milliseconds. */
const OPEN_MS = 5_000;

/** The buckets of one bus. */
export class KvBuckets {
  readonly #parts: KvParts;
  readonly #feeds = new KvFeeds();
  readonly #opened = new Map<string, Promise<KvBucket>>();

  /** Makes them; nothing is opened before it is asked for. */
  constructor(runtime: Runtime, parking: Parking) {
    const name = runtime.random.uuid().slice(0, 18);
    let writes = 0;
    this.#parts = {
      runtime,
      parking,
      time: new BrokerTime(runtime),
      get ports() {
        return portsOf(runtime);
      },
      id: () => `${name}-${(++writes).toString(36)}`,
    };
    runtime.transport.onStatus((status) => {
      if (status === "connected") this.#feeds.returned();
      else if (status === "closed") this.close();
    });
  }

  /**
   * Opens a bucket, which is made where it is not there.
   *
   * @throws {ConflictError} when it cannot be as it is asked for.
   * @throws {TypeError | RangeError} for a name or options that cannot be.
   */
  async open<T>(
    name: string,
    options: KvOptions<T> = {},
    { codec, adopt = false, direct = true, lenient = false }: KvInternals = {},
  ): Promise<Kv<T>> {
    assertBucketName(name);
    assertBucketOptions(options);
    const { schema, timeoutMs = OPEN_MS, signal, ...settings } = options;
    const { runtime } = this.#parts;
    assertHere(runtime);
    const asked: BucketSettings = {
      // One replica is what nobody has asked for: it takes none away that somebody else did.
      ...(runtime.replicas > 1 ? { replicas: runtime.replicas } : {}),
      ...Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
    };
    signal?.throwIfAborted();
    const limits = { expiresAt: runtime.clock.monotonic() + timeoutMs, signal };
    const opening = this.#open({ name, asked, adopt, direct }, limits);
    const bucket = await unless(signal, opening);
    const values = new KvValues<T>(runtime, name, codec ?? runtime.codec, schema, lenient);
    return new BucketKv(bucket, this.#feeds, values);
  }

  /** How the watches are doing. */
  health(): FeedHealth[] {
    return this.#feeds.health();
  }

  /** Ends all watches. */
  close(): void {
    this.#feeds.end(new ClosedError("The bus is closed"));
  }

  /** One after the other, so that of those who ask for different things each hears of the others. */
  #open(wanted: WantedBucket, limits: KvLimits): Promise<KvBucket> {
    const { name } = wanted;
    const before = this.#opened.get(name);
    const opened = before === undefined ? KvBucket.open(this.#parts, wanted, limits) : before.then(
      (bucket) => this.#again(bucket, wanted, limits),
      () => KvBucket.open(this.#parts, wanted, limits),
    );
    const kept = opened.catch((error) => before ?? Promise.reject(error));
    kept.catch(() => this.#opened.get(name) === kept && this.#opened.delete(name));
    this.#opened.set(name, kept);
    return opened;
  }

  async #again(bucket: KvBucket, wanted: WantedBucket, limits: KvLimits): Promise<KvBucket> {
    const { name, asked, adopt, direct } = wanted;
    const { wanted: before } = bucket;
    const changes = contradictions(before.asked, asked);
    if (changes.length > 0 && !adopt) throw bucketConflict(name, changes);
    const isMore = Object.keys(asked).some((setting) => !(setting in before.asked));
    await bucket.ask({
      name,
      asked: { ...asked, ...before.asked },
      adopt: adopt && before.adopt,
      direct: direct && before.direct,
    }, isMore && !adopt ? limits : undefined);
    return bucket;
  }
}

function portsOf({ transport: { streams } }: Runtime): KvPorts {
  if (streams === undefined) {
    throw new AegisError(
      "JETSTREAM_DISABLED",
      "Cannot use the KV store: this transport has no streams",
    );
  }
  const { admin, store, view } = streams;
  if (view !== undefined) return { admin, store, view };
  throw new AegisError(
    "JETSTREAM_DISABLED",
    "Cannot use the KV store: the streams of this transport cannot be followed, for they have no view",
  );
}
