// The instances of one service that are there, with the lists that lookups are read from.

import type { ServiceInstance } from "../domain/instance.ts";
import { type Candidate, hashOf } from "../domain/selection.ts";
import { inRange, parseRange } from "../domain/version_range.ts";

/** An instance that is there. It stays the same object from heartbeat to heartbeat. */
export class Seen implements Candidate {
  /** The key of its record. */
  readonly key: string;
  readonly hash: number;
  /** What its last heartbeat said. */
  instance: ServiceInstance;
  /** The revision of that. */
  revision: number;
  /**
   * How much it has to do: what its last heartbeat said, with what it got to do from here since, less what it has done. One
   * that says nothing is taken for idle.
   */
  load: number;

  /** Notes an instance. */
  constructor(key: string, instance: ServiceInstance, revision: number) {
    this.key = key;
    this.hash = hashOf(instance.instanceId);
    this.instance = instance;
    this.revision = revision;
    this.load = instance.load?.inFlight ?? 0;
  }

  /** Its name. */
  get instanceId(): string {
    return this.instance.instanceId;
  }

  /** Whether a record is of the same instance. */
  isOf({ service, instanceId }: ServiceInstance): boolean {
    return service === this.instance.service && instanceId === this.instance.instanceId;
  }
}

/** Which instances are wanted. */
export interface Filter {
  /** Whether those that cannot serve are left out. */
  readonly onlyHealthy: boolean;
  /** A range of versions; undefined for any. */
  readonly version: string | undefined;
}

/** Instances that one is chosen of, and how often one was. */
export interface Choices {
  readonly seen: readonly Seen[];
  turn: number;
}

/** Beyond this number of lists all are made anew, so that ranges and methods from outside cannot fill the memory. */
const MAX_LISTS = 200;

/** The instances of one service. */
export class InstancesOfService {
  /** By their names. */
  readonly there: Map<string, Seen> = new Map();
  /** Told the name of each instance that comes, goes or changes. */
  readonly listeners: Set<(instanceId: string) => void> = new Set();
  readonly #random: () => number;
  #lists = new Map<string, readonly Seen[]>();
  #choices = new Map<string, Choices>();

  /** `random` gives 0 ≤ n < 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Says that an instance has come, gone or changed in more than its load. */
  changed(instanceId: string): void {
    if (this.#lists.size > 0) this.#lists = new Map();
    if (this.#choices.size > 0) this.#choices = new Map();
    for (const listener of this.listeners) listener(instanceId);
  }

  /** Those that are wanted, by their names. @throws {TypeError} when the version is no range. */
  list({ onlyHealthy, version }: Filter): readonly Seen[] {
    const name = nameOf({ onlyHealthy, version });
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const range = version === undefined ? undefined : parseRange(version);
    const list = [...this.there.values()].filter(({ instance }) =>
      (!onlyHealthy || instance.status !== "UNHEALTHY") &&
      (range === undefined || inRange(instance.version, range))
    ).sort((a, b) => a.instanceId < b.instanceId ? -1 : 1);
    if (this.#lists.size >= MAX_LISTS) this.#lists = new Map();
    this.#lists.set(name, list);
    return list;
  }

  /**
   * Those of which one is chosen: of the healthy ones that serve, or stand by where none serves. For a call of `method`
   * it is one that can be called alone and, where some say that they have the method, one of these.
   *
   * @throws {TypeError} when the version is no range.
   */
  choices(filter: Filter, method?: string): Choices {
    const name = `${method ?? ""} ${nameOf(filter)}`;
    const known = this.#choices.get(name);
    if (known !== undefined) return known;
    let seen = this.list(filter);
    if (method !== undefined) {
      seen = seen.filter(({ instance }) => instance.addressable);
      seen = preferred(seen, ({ methods }) => methods.some((served) => served.name === method));
    }
    if (filter.onlyHealthy) seen = preferred(seen, ({ status }) => status === "ACTIVE");
    // Processes that begin together do not all begin with the first.
    const choices = { seen, turn: Math.floor(this.#random() * seen.length) };
    if (this.#choices.size >= MAX_LISTS) this.#choices = new Map();
    this.#choices.set(name, choices);
    return choices;
  }
}

function nameOf({ onlyHealthy, version }: Filter): string {
  // Without a range any version fits, also one that is in no range.
  return version === undefined ? `${onlyHealthy}` : `${onlyHealthy} ${version}`;
}

/** Those that are so; all of them where none is. */
function preferred(
  seen: readonly Seen[],
  is: (instance: ServiceInstance) => boolean,
): readonly Seen[] {
  const some = seen.filter(({ instance }) => is(instance));
  return some.length > 0 ? some : seen;
}
