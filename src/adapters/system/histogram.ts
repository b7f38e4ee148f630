// A log-linear histogram: quantiles of what was recorded, in memory that does not grow with it.

import type { Summary } from "../../ports/metrics.ts";

/** Buckets in each power of two, as bits. A bucket is 1/32 of its power wide, so its middle is off by 1/64: 1.6 %. */
const BITS = 5;
const BUCKETS = 1 << BITS;

/** The least and the greatest power of two that are told apart: about a millionth and about 10^13. */
const LEAST = -20;
const GREATEST = 44;

// The upper half of a double holds its exponent, biased by 1,023, above twenty bits of mantissa.
const SHIFT = 20 - BITS;
const BASE = (LEAST + 1023) << BITS;
const COUNT = (GREATEST - LEAST) << BITS;

const scratch = new DataView(new ArrayBuffer(8));

/** The middle of a bucket. */
function middle(index: number): number {
  scratch.setUint32(4, 0);
  scratch.setUint32(0, (index + BASE) << SHIFT);
  const from = scratch.getFloat64(0);
  scratch.setUint32(0, (index + 1 + BASE) << SHIFT);
  return (from + scratch.getFloat64(0)) / 2;
}

/**
 * What was recorded to one series. A quantile is off by at most 1.6 % for values between 2^-20 and 2^44, and always
 * lies between the least and the greatest value recorded. Values below that range count as the least, above it as the
 * greatest.
 */
export class Histogram {
  // One array a power of two, made when a value first falls there: 256 bytes each, a handful in practice, 64 at most.
  // Doubles, because 2^32 of a busy series would be reached within a day.
  readonly #powers: (Float64Array | undefined)[] = new Array(GREATEST - LEAST).fill(undefined);
  #below = 0;
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  /** How many values. */
  get count(): number {
    return this.#count;
  }

  /** Their sum. */
  get sum(): number {
    return this.#sum;
  }

  /** Adds a finite value ≥ 0. */
  record(value: number): void {
    this.#count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    scratch.setFloat64(0, value);
    const index = (scratch.getUint32(0) >>> SHIFT) - BASE;
    if (index < 0) {
      this.#below++;
    } else if (index < COUNT) {
      const buckets = this.#powers[index >>> BITS] ??= new Float64Array(BUCKETS);
      buckets[index & (BUCKETS - 1)]!++;
    }
  }

  /** The values at `ranks`, shares in ascending order between 0 and 1, by the nearest-rank method. */
  quantiles(...ranks: number[]): number[] {
    const found: number[] = [];
    let seen = this.#below;
    let index = -1;
    for (const rank of ranks) {
      const wanted = Math.ceil(rank * this.#count);
      while (seen < wanted && ++index < COUNT) {
        const buckets = this.#powers[index >>> BITS];
        if (buckets === undefined) index |= BUCKETS - 1;
        else seen += buckets[index & (BUCKETS - 1)]!;
      }
      const value = index < 0 ? this.#min : index < COUNT ? middle(index) : this.#max;
      found.push(Math.min(Math.max(value, this.#min), this.#max));
    }
    return found;
  }

  /** Count, mean and quantiles. */
  summary(): Summary {
    const [p50 = 0, p90 = 0, p99 = 0] = this.#count === 0 ? [] : this.quantiles(0.5, 0.9, 0.99);
    return {
      count: this.#count,
      avg: this.#count === 0 ? 0 : this.#sum / this.#count,
      p50,
      p90,
      p99,
    };
  }
}
