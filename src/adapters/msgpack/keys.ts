// Map keys as strings. The same few keys come in every message, so those read last are kept.

/** Keys longer than this are not kept. In bytes. */
const LONGEST = 32;

/** How many keys are kept, a power of two. One that falls on the place of another takes it. */
const PLACES = 512;

interface Kept {
  readonly bytes: Uint8Array;
  readonly key: string;
}

/** The keys that were read last. */
export class Keys {
  readonly #kept: (Kept | undefined)[] = new Array(PLACES).fill(undefined);

  /** The key of these bytes, if it was kept. */
  find(bytes: Uint8Array, start: number, length: number): string | undefined {
    const kept = this.#kept[placeOf(bytes, start, length)];
    return kept !== undefined && same(kept.bytes, bytes, start, length) ? kept.key : undefined;
  }

  /** Keeps `key` for these bytes. */
  keep(bytes: Uint8Array, start: number, length: number, key: string): string {
    if (length <= LONGEST) {
      this.#kept[placeOf(bytes, start, length)] = {
        bytes: Uint8Array.from(bytes.subarray(start, start + length)),
        key,
      };
    }
    return key;
  }
}

function placeOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = length;
  const end = start + Math.min(length, LONGEST);
  for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + bytes[i]! | 0;
  return hash & (PLACES - 1);
}

function same(kept: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (kept.length !== length) return false;
  for (let i = 0; i < length; i++) if (kept[i] !== bytes[start + i]) return false;
  return true;
}
