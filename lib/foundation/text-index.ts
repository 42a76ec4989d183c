import { pieces } from './steps.js';
import type { Steps } from './steps.js';

/**
 * Numbers of texts: a hash table with open addressing in a typed array, the texts themselves staying where they are. It takes 12 to
 * 24 bytes a text, where a `Map` takes some forty and ends at 2²⁴ entries.
 */
export class TextIndex {
  readonly #texts: readonly string[];
  /**
   * Two numbers a slot, in one line of the cache: the number of its text, 0 where there is none, and the hash, so that a text is
   * looked at only where it is likely the one. A power of two of slots, at most two thirds of them taken.
   */
  readonly #slots: Int32Array;
  /** The last of the slots, whose number masks a hash. */
  readonly #last: number;

  /**
   * @param texts of which the first stands for no text and is not found; of equal ones the last counts
   * @param isFilled false where {@link inSteps} adds the texts
   */
  constructor(texts: readonly string[], isFilled = true) {
    this.#texts = texts;
    let slots = 4;
    while (2 * slots < 3 * texts.length) slots *= 2;
    this.#slots = new Int32Array(2 * slots);
    this.#last = slots - 1;
    if (isFilled) this.#add(1, texts.length);
  }

  /**
   * The same in steps.
   * @param before an index over the first of the texts
   * @param onRepeat called with the numbers of two equal texts, as soon as the second is met
   */
  static *inSteps(
    texts: readonly string[],
    before?: TextIndex,
    onRepeat?: (first: number, second: number) => void,
  ): Steps<TextIndex> {
    const index = new TextIndex(texts, false);
    const hasRoom = before !== undefined && before.#last === index.#last;
    if (hasRoom) {
      const { length } = before.#slots;
      yield* pieces(length, (from, to) => index.#slots.set(before.#slots.subarray(from, to), from), 1 / 64);
    }
    const start = hasRoom ? Math.max(1, before.#texts.length) : 1;
    yield* pieces(texts.length - start, (from, to) => index.#add(start + from, start + to, onRepeat));
    return index;
  }

  #add(from: number, to: number, onRepeat?: (first: number, second: number) => void): void {
    const [texts, slots] = [this.#texts, this.#slots];
    for (let id = from; id < to; id++) {
      const hash = hashOf(texts[id]);
      const slot = this.#slotOf(texts[id], hash);
      if (onRepeat !== undefined && slots[2 * slot] !== 0) onRepeat(slots[2 * slot], id);
      slots[2 * slot] = id;
      slots[2 * slot + 1] = hash;
    }
  }

  /** The number of a text, 0 where it is none of them. */
  idOf(text: string): number {
    return this.#slots[2 * this.#slotOf(text, hashOf(text))];
  }

  /**
   * The numbers of many texts. In a large index a look-up waits for memory, for its slot and then for its text: what the texts wait for
   * is asked for together, by passes over all of them, and takes a third of the time of as many calls of `idOf`.
   */
  idsOf(texts: readonly string[]): Int32Array {
    const [slots, last, own] = [this.#slots, this.#last, this.#texts];
    const ids = new Int32Array(texts.length);
    const hashes = texts.length > MOST_SCRATCH ? new Int32Array(texts.length) : scratch(texts.length);
    let read = 0; // Used below, so that no compiler leaves a read out whose result nobody needs.
    for (let i = 0; i < ids.length; i++) hashes[i] = hashOf(texts[i]);
    for (let i = 0; i < ids.length; i++) read |= slots[2 * (hashes[i] & last)];
    for (let i = 0; i < ids.length; i++) {
      let slot = hashes[i] & last;
      while (slots[2 * slot] !== 0 && slots[2 * slot + 1] !== hashes[i]) slot = (slot + 1) & last;
      ids[i] = slots[2 * slot];
    }
    for (let i = 0; i < ids.length; i++) read |= own[ids[i]].length;
    if (read === 0) return ids;
    // Another text of the same hash may stand before the right one.
    for (let i = 0; i < ids.length; i++)
      if (ids[i] !== 0 && own[ids[i]] !== texts[i]) ids[i] = slots[2 * this.#slotOf(texts[i], hashes[i])];
    return ids;
  }

  /** Where a text stands, or would stand. */
  #slotOf(text: string, hash: number): number {
    const [slots, last] = [this.#slots, this.#last];
    for (let slot = hash & last; ; slot = (slot + 1) & last) {
      const id = slots[2 * slot];
      if (id === 0 || (slots[2 * slot + 1] === hash && this.#texts[id] === text)) return slot;
    }
  }
}

let numbers = new Int32Array(1024);
/** So many are kept between calls; more, as of a whole table, are given back. */
const MOST_SCRATCH = 2 ** 16;

/** Room for so many numbers, until the next call. */
function scratch(count: number): Int32Array {
  if (numbers.length < count) numbers = new Int32Array(2 * count);
  return numbers;
}

/** FNV-1a over the UTF-16 units of a text, an integer from 0 to 2³² − 1. @internal */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** FNV-1a followed by the finaliser of MurmurHash3, without which the low bits of similar ids are alike: 32 bits, with a sign. */
function hashOf(text: string): number {
  let h = fnv1a(text);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
