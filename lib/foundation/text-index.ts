/**
 * Numbers of texts: a hash table with open addressing in typed arrays, the texts themselves staying where they are. It takes 8
 * to 15 bytes a text, where a `Map` takes some forty and ends at 2²⁴ entries.
 */
export class TextIndex {
  readonly #texts: readonly string[];
  /** Number of the text in each slot; 0 where there is none. A power of two, at most two thirds of them taken. */
  readonly #slots: Int32Array;
  /** A byte of the hash of each, so that a text is looked at only where it is likely the one. */
  readonly #tags: Uint8Array;

  /** @param texts of which the first stands for no text and is not found; of equal ones the last counts */
  constructor(texts: readonly string[]) {
    this.#texts = texts;
    let slots = 4;
    while (2 * slots < 3 * texts.length) slots *= 2;
    this.#slots = new Int32Array(slots);
    this.#tags = new Uint8Array(slots);
    for (let id = 1; id < texts.length; id++) {
      const hash = hashOf(texts[id]);
      const slot = this.#slotOf(texts[id], hash);
      this.#slots[slot] = id;
      this.#tags[slot] = hash >>> 24;
    }
  }

  /** The number of a text, 0 where it is none of them. */
  idOf(text: string): number {
    return this.#slots[this.#slotOf(text, hashOf(text))];
  }

  /** Where a text stands, or would stand. */
  #slotOf(text: string, hash: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    for (let slot = hash & last; ; slot = (slot + 1) & last) {
      const id = slots[slot];
      if (id === 0 || (this.#tags[slot] === hash >>> 24 && this.#texts[id] === text)) return slot;
    }
  }
}

/** FNV-1a over the UTF-16 units of a text, an integer from 0 to 2³² − 1. @internal */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** FNV-1a followed by the finaliser of MurmurHash3, without which the low bits of similar ids are alike. */
function hashOf(text: string): number {
  let h = fnv1a(text);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
