/**
 * The one source of random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011), a counter-based generator. A stream is a function of (seed, stage, index) alone, so the draw for
 * task 17 does not depend on how many tasks came before it, on the number of threads, or on the platform: only 32-bit
 * integer operations and IEEE `+ − × ÷ √` are used.
 */

/** High 32 bits of the unsigned product of two 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16); // < 2³²: (2¹⁶−1)² + 2¹⁶ − 1
  const middle2 = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (middle2 >>> 16)) >>> 0;
}

/**
 * One Philox4x32-10 block: ten rounds over the counter `[c0 … c3]` under the key `[k0, k1]`.
 * @param out receives the four 32-bit words
 */
export function philox4x32(
  out: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** FNV-1a over UTF-16 code units with murmur3's finaliser; two different bases give 64 bits of a stage's name. */
function hashText(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

const TWO_32 = 0x1_0000_0000;

/** A stream of random numbers. Cheap to create (two words of key), so make one per task rather than sharing one. */
export class Random {
  readonly #key0: number;
  readonly #key1: number;
  readonly #block = new Uint32Array(4);
  #used = 4;
  #counterLow = 0;
  #counterHigh = 0;
  #spareNormal = Number.NaN;

  /** Two 32-bit words of key; {@link random} is the usual way in. */
  constructor(key0: number, key1: number) {
    this.#key0 = key0 | 0;
    this.#key1 = key1 | 0;
  }

  /**
   * An independent stream. The child's key is a Philox block over (stage, index) under this key; how many numbers have
   * been drawn from this stream does not matter.
   * @param stage what the numbers are for
   * @param index which one of them: an integer, 0 ≤ index < 2⁵³
   */
  child(stage: string, index = 0): Random {
    const words = new Uint32Array(4);
    // Streams count up from (0, 0, 0, 0); the high bit set in the third word keeps child keys apart from their output.
    philox4x32(
      words,
      hashText(stage, 0x811c9dc5),
      index | 0,
      0x80000000 | Math.floor(index / TWO_32),
      hashText(stage, 0x2545f491),
      this.#key0,
      this.#key1,
    );
    return new Random(words[0], words[1]);
  }

  /** The two words of key, without a sign: what the core draws the same stream by. @internal */
  get key(): readonly [number, number] {
    return [this.#key0 >>> 0, this.#key1 >>> 0];
  }

  /** The next 32 random bits, as an integer 0 … 2³² − 1. */
  uint32(): number {
    if (this.#used === 4) {
      philox4x32(this.#block, this.#counterLow, this.#counterHigh, 0, 0, this.#key0, this.#key1);
      this.#counterLow = (this.#counterLow + 1) | 0;
      if (this.#counterLow === 0) this.#counterHigh = (this.#counterHigh + 1) | 0;
      this.#used = 0;
    }
    return this.#block[this.#used++];
  }

  /** Uniform in [0, 1): a multiple of 2⁻⁵³. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /** Uniform integer in 0 … n − 1 for 1 ≤ n < 2³², without modulo bias (Lemire 2019: rejection on the low product). */
  below(n: number): number {
    let x = this.uint32();
    let low = Math.imul(x, n) >>> 0;
    if (low < n) {
      const threshold = (TWO_32 - n) % n;
      while (low < threshold) {
        x = this.uint32();
        low = Math.imul(x, n) >>> 0;
      }
    }
    return multiplyHigh(x, n);
  }

  /** Standard normal (Marsaglia's polar method). */
  normal(): number {
    if (!Number.isNaN(this.#spareNormal)) {
      const spare = this.#spareNormal;
      this.#spareNormal = Number.NaN;
      return spare;
    }
    for (;;) {
      const u = 2 * this.uniform() - 1;
      const v = 2 * this.uniform() - 1;
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const scale = Math.sqrt((-2 * logarithm(s)) / s);
      this.#spareNormal = v * scale;
      return u * scale;
    }
  }

  /** Fisher–Yates shuffle of `array[start … end − 1]` in place; every permutation is equally likely. */
  shuffle(array: Int32Array, start = 0, end = array.length): Int32Array {
    return this.sample(array, end - start, start, end);
  }

  /**
   * Moves a uniformly drawn ordered sample of `count` elements to the end of `array[start … end − 1]`, in place: the
   * last `count` steps of a Fisher–Yates shuffle, O(count).
   */
  sample(array: Int32Array, count: number, start = 0, end = array.length): Int32Array {
    const stop = Math.max(end - count, start + 1);
    for (let i = end - 1; i >= stop; i--) {
      const j = start + this.below(i - start + 1);
      const swap = array[i];
      array[i] = array[j]!;
      array[j] = swap;
    }
    return array;
  }
}

/**
 * The stream of (seed, stage, index).
 * @param seed an integer, 0 ≤ seed < 2⁵³
 */
export function random(seed: number, stage: string, index = 0): Random {
  return new Random(seed | 0, Math.floor(seed / TWO_32)).child(stage, index);
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * Natural logarithm of a normal positive double from IEEE arithmetic alone. `Math.log` may differ in the last bit from
 * one engine to another, and a seed has to mean the same numbers everywhere.
 * log x = e·ln 2 + 2·artanh((m − 1)/(m + 1)), m in [√½, √2): the series' next term is below 2⁻⁶³ relative.
 */
function logarithm(x: number): number {
  bits.setFloat64(0, x);
  let exponent = (bits.getUint32(0) >>> 20) - 1023;
  bits.setUint32(0, (bits.getUint32(0) & 0xfffff) | 0x3ff00000);
  let mantissa = bits.getFloat64(0);
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  const z = (mantissa - 1) / (mantissa + 1);
  const square = z * z;
  let series = 0;
  for (let k = 25; k >= 1; k -= 2) series = series * square + 1 / k;
  return exponent * Math.LN2 + 2 * z * series;
}
