/** Histories made of a support set: what a sequence input reads of a task, or of one served user. */
import type { NativeColumn } from '../foundation/addon.js';
import type { BoundSequence } from './features.js';

/** @internal Histories of support sets as a column of a batch's own, whose rows are numbered as they come. */
export class SupportHistories {
  readonly #sequence: BoundSequence;
  readonly #ids: number[] = [];
  readonly #offsets: number[] = [0];

  constructor(sequence: BoundSequence) {
    this.#sequence = sequence;
  }

  /**
   * Adds a support set. Returns the row of the whole history, and for each of its own rows that of what came strictly before.
   * @param items item rows of the dataset
   * @param time undefined: as they come
   */
  add(
    items: ArrayLike<number>,
    labels: ArrayLike<number>,
    time: ArrayLike<number> | undefined,
  ): { own: Int32Array; whole: number } {
    const { column, ids } = this.#sequence;
    const order = Int32Array.from(items, (_, i) => i);
    if (time !== undefined) order.sort((a, b) => time[a] - time[b] || a - b);
    const own = new Int32Array(items.length);
    const kept: number[] = [];
    for (let k = 0; k < order.length;) {
      const first = order[k];
      const row = this.#put(kept);
      do {
        const i = order[k++];
        own[i] = row;
        if (column.minLabel === undefined || labels[i] >= column.minLabel) kept.push(ids[items[i]]);
      } while (k < order.length && time !== undefined && time[order[k]] === time[first]);
    }
    return { own, whole: this.#put(kept) };
  }

  #put(kept: readonly number[]): number {
    for (let k = Math.max(0, kept.length - this.#sequence.maxLength); k < kept.length; k++) this.#ids.push(kept[k]);
    return this.#offsets.push(this.#ids.length) - 2;
  }

  /** @param side that names the row of this column for each row of the batch */
  column(side: number): NativeColumn & { input: number } {
    return {
      input: this.#sequence.input,
      side,
      ids: Int32Array.from(this.#ids),
      offsets: Int32Array.from(this.#offsets),
    };
  }
}

/**
 * @internal The histories of one user's rows: the support set, in the order given. Columns of a batch's own, with their sides
 * @param side the number of the first of these
 * @param places of the rows in the support; undefined: they come after it
 */
export function servedHistories(
  sequences: readonly BoundSequence[],
  items: Int32Array,
  labels: ArrayLike<number>,
  side: number,
  places?: Int32Array,
) {
  const histories = sequences.map((sequence) => {
    const lists = new SupportHistories(sequence);
    return { lists, ...lists.add(items, labels, undefined) };
  });
  return {
    overrides: histories.map(({ lists }, k) => lists.column(side + k)),
    sides: histories.map(({ own, whole }) => (places === undefined ? whole : places.map((place) => own[place]))),
  };
}
