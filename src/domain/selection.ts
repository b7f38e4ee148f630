// Selection: which of many instances is asked.

import { show } from "./check.ts";
import { suggest } from "./suggest.ts";

/** How one of many is chosen: in turn, by chance, by a key that always leads to the same one, or the one with least to do. */
export type SelectStrategy = "round_robin" | "random" | "sticky" | "least_loaded";

const STRATEGIES: readonly SelectStrategy[] = ["round_robin", "random", "sticky", "least_loaded"];

/** One that may be chosen. */
export interface Candidate {
  /** The hash of its name, by {@linkcode hashOf}. */
  readonly hash: number;
  /** How much it has to do. */
  readonly load: number;
}

/** What the choice goes by. */
export interface Choice {
  readonly strategy: SelectStrategy;
  /** What `sticky` goes by. */
  readonly key: string;
  /** How often one was chosen before. */
  readonly turn: number;
  /** 0 ≤ n < 1; asked for where chance decides. */
  readonly random: () => number;
}

/** One of the candidates; undefined where there is none. Those with the same candidates in the same order choose alike. */
export function choose<C extends Candidate>(
  candidates: readonly C[],
  { strategy, key, turn, random }: Choice,
): C | undefined {
  switch (strategy) {
    case "round_robin":
      return candidates[turn % candidates.length];
    case "random":
      return candidates[Math.floor(random() * candidates.length)];
    case "sticky":
      return stickiest(candidates, key);
    case "least_loaded":
      return leastLoaded(candidates, random);
  }
}

/**
 * A whole number of 32 bits, the same for the same text in every process: processes agree on where a key belongs. It is
 * FNV-1a over UTF-16, mixed once more, since names and keys often differ in their last digit alone.
 */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return mixed(hash);
}

/**
 * The one that the key weighs most with (rendezvous hashing). One that comes takes its share of the keys from all others,
 * and one that goes leaves its keys to all of them: no other key moves, and nobody keeps a table.
 */
function stickiest<C extends Candidate>(candidates: readonly C[], key: string): C | undefined {
  const hash = hashOf(key);
  let best = 0;
  let most = -Infinity;
  for (let i = 0; i < candidates.length; i++) {
    const weight = mixed(hash ^ candidates[i]!.hash);
    if (weight > most) {
      most = weight;
      best = i;
    }
  }
  return candidates[best];
}

/** One of those that have least to do, each as likely as the other. */
function leastLoaded<C extends Candidate>(
  candidates: readonly C[],
  random: () => number,
): C | undefined {
  let least = Infinity;
  let ties = 0;
  for (let i = 0; i < candidates.length; i++) {
    const { load } = candidates[i]!;
    if (load < least) {
      least = load;
      ties = 1;
    } else if (load === least) ties++;
  }
  let skip = ties > 1 ? Math.floor(random() * ties) : 0;
  for (let i = 0; i < candidates.length; i++) {
    if (candidates[i]!.load === least && skip-- === 0) return candidates[i];
  }
  return undefined;
}

/** Every bit of the number has a say in every bit of the result (the last step of MurmurHash3). */
function mixed(number: number): number {
  let hash = number;
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return hash ^ hash >>> 16;
}

/**
 * Checks a strategy and its key. `option` is the name of the option that holds the strategy.
 *
 * @throws {TypeError} when it is none, when `sticky` has no key, or a key has no strategy.
 */
export function assertStrategy(
  strategy: unknown,
  key: unknown,
  where: string,
  option: "select" | "strategy",
): void {
  if (strategy !== undefined && !STRATEGIES.includes(strategy as SelectStrategy)) {
    throw new TypeError(
      `Cannot use ${show(strategy)} as option "${option}" ${where}: there is no such strategy; ${
        suggest(typeof strategy === "string" ? strategy : "", STRATEGIES)
      }`,
    );
  }
  if (key === undefined ? strategy === "sticky" : typeof key !== "string") {
    throw new TypeError(
      `Cannot use ${
        show(key)
      } as option "key" ${where}: it must be a string, by which "sticky" goes`,
    );
  }
  if (key !== undefined && strategy === undefined) {
    throw new TypeError(
      `Cannot use option "key" ${where} alone: it goes with ${option}: "sticky"`,
    );
  }
}
