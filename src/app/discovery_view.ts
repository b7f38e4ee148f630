// The view: the instances of all services, as the registry last told of them, in memory.

import { readInstance, REGISTRY_BUCKET, type ServiceInstance } from "../domain/instance.ts";
import { isSameInstance, renewed, shared } from "../domain/instance_change.ts";
import type { KvChange } from "../ports/kv.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import { InstancesOfService, Seen } from "./discovery_service.ts";

/** How many instances that have gone are remembered. */
const MAX_GONE = 10_000;
/** Of how many keys at most it is said that their records are none. */
const MAX_WARNED = 1_000;

/** What the registry last told. */
export class DiscoveryView {
  readonly #logger: Logger;
  readonly #random: Random;
  readonly #services = new Map<string, InstancesOfService>();
  readonly #byKey = new Map<string, Seen>();
  /** Those that have a record, and that nobody was found at; by key, until their next heartbeat. */
  readonly #missed = new Map<string, Seen>();
  /** Names of instances that have gone, the last of them last. */
  readonly #gone = new Set<string>();
  readonly #warned = new Set<string>();
  /** The keys that were told of since the state is being told anew. */
  #told: Set<string> | undefined;

  /** An empty view. */
  constructor({ logger, random }: { readonly logger: Logger; readonly random: Random }) {
    this.#logger = logger;
    this.#random = random;
  }

  /** How many instances are there. */
  get size(): number {
    return this.#byKey.size - this.#missed.size;
  }

  /** How many keys were found whose records are none; of further ones nothing is said. */
  get ignored(): number {
    return this.#warned.size;
  }

  /** The whole state is told from now on, until {@linkcode told}. What is known stays so long. */
  begin(): void {
    this.#told = new Set();
  }

  /** The whole state has been told: what it did not have has gone. */
  told(): void {
    const told = this.#told;
    if (told === undefined) return;
    this.#told = undefined;
    for (const key of [...this.#byKey.keys()]) {
      if (!told.has(key)) this.#remove(key);
    }
  }

  /** Takes a change in. It never throws, whatever somebody has written. */
  apply({ operation, key, entry, revision }: KvChange): void {
    if (operation !== "put" || entry === undefined) {
      this.#told?.delete(key);
      this.#remove(key);
      return;
    }
    const instance = readInstance(entry.value, key);
    if (instance === undefined || this.#isTaken(instance, key)) {
      this.#remove(key);
      this.#ignore(key);
      return;
    }
    this.#told?.add(key);
    let known = this.#byKey.get(key);
    if (known !== undefined && !known.isOf(instance)) {
      // A key of somebody else's can be read as that of two instances.
      this.#remove(key);
      known = undefined;
    }
    if (known === undefined) {
      this.#add(new Seen(key, shared(instance), revision));
    } else if (known.revision !== revision) {
      this.#renew(known, instance, revision);
    }
  }

  /** The instances of a service. */
  of(service: string): InstancesOfService | undefined {
    return this.#services.get(service);
  }

  /** Whether an instance was there and has gone. */
  hasGone(service: string, instanceId: string): boolean {
    return this.#gone.has(nameOf(service, instanceId));
  }

  /** Nobody was found at an instance: it has gone, unless it has another heartbeat. */
  missed(seen: Seen): void {
    if (this.#byKey.get(seen.key) !== seen || this.#missed.has(seen.key)) return;
    this.#missed.set(seen.key, seen);
    this.#leave(seen);
  }

  /** Calls `listener` with the name of each instance of a service that comes, goes or changes; what it returns ends that. */
  listen(service: string, listener: (instanceId: string) => void): () => void {
    const instances = this.#serviceOf(service);
    instances.listeners.add(listener);
    return () => {
      instances.listeners.delete(listener);
      this.#tidy(service);
    };
  }

  /** Forgets everything: nobody looks any more. */
  clear(): void {
    for (const key of [...this.#byKey.keys()]) this.#remove(key, false);
    this.#gone.clear();
    this.#told = undefined;
  }

  #add(seen: Seen): void {
    this.#byKey.set(seen.key, seen);
    this.#join(seen);
  }

  #renew(seen: Seen, instance: ServiceInstance, revision: number): void {
    const isSame = isSameInstance(seen.instance, instance);
    seen.revision = revision;
    seen.load = instance.load?.inFlight ?? 0;
    seen.instance = isSame ? renewed(seen.instance, instance) : shared(instance);
    if (this.#missed.delete(seen.key)) this.#join(seen);
    else if (!isSame) this.#services.get(instance.service)?.changed(instance.instanceId);
  }

  /** `hasGone` is whether the instance has, or is only known no more. */
  #remove(key: string, hasGone = true): void {
    const seen = this.#byKey.get(key);
    if (seen === undefined) return;
    this.#byKey.delete(key);
    if (!this.#missed.delete(key)) this.#leave(seen, hasGone);
  }

  #join(seen: Seen): void {
    const { service, instanceId } = seen.instance;
    this.#gone.delete(nameOf(service, instanceId));
    const instances = this.#serviceOf(service);
    instances.there.set(instanceId, seen);
    instances.changed(instanceId);
  }

  #leave(seen: Seen, hasGone = true): void {
    const { service, instanceId } = seen.instance;
    const name = nameOf(service, instanceId);
    this.#gone.delete(name);
    if (hasGone) this.#gone.add(name);
    if (this.#gone.size > MAX_GONE) {
      for (const oldest of this.#gone) {
        this.#gone.delete(oldest);
        break;
      }
    }
    const instances = this.#services.get(service);
    if (instances?.there.get(instanceId) === seen) {
      instances.there.delete(instanceId);
      instances.changed(instanceId);
    }
    this.#tidy(service);
  }

  #serviceOf(service: string): InstancesOfService {
    let instances = this.#services.get(service);
    if (instances === undefined) {
      instances = new InstancesOfService(() => this.#random.next());
      this.#services.set(service, instances);
    }
    return instances;
  }

  #tidy(service: string): void {
    const instances = this.#services.get(service);
    if (instances?.there.size === 0 && instances.listeners.size === 0) {
      this.#services.delete(service);
    }
  }

  /** Whether there is a record of the same instance under another key: somebody's who writes keys his own way. */
  #isTaken({ service, instanceId }: ServiceInstance, key: string): boolean {
    const other = this.#services.get(service)?.there.get(instanceId);
    return other !== undefined && other.key !== key;
  }

  #ignore(key: string): void {
    if (this.#warned.has(key) || this.#warned.size >= MAX_WARNED) return;
    this.#warned.add(key);
    this.#logger.warn(
      `The registry has a record that is none of an instance, which is ignored${
        this.#warned.size === MAX_WARNED ? "; nothing is said of further ones" : ""
      }`,
      { bucket: REGISTRY_BUCKET, key: key.slice(0, 256) },
    );
  }
}

function nameOf(service: string, instanceId: string): string {
  return `${service} ${instanceId}`;
}
