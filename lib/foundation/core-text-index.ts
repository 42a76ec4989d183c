/** Numbers of texts that are found in the core, where threads other than JavaScript's can do it. */
import { setImmediate } from 'node:timers/promises';
import { addon } from './addon.js';
import type { NativeTextIndex } from './addon.js';

/** Many texts as the core takes them. @internal */
export interface JoinedTexts {
  joined: string;
  /** Of the first of these, `count` of them. */
  lengths: Int32Array;
  count: number;
}

/** Arrays of lengths that nobody uses: memory outside of V8's heap, an array of which takes as long as all else that is done here. */
const spare: Int32Array[] = [];
const SPARE = { arrays: 8, lengths: 4096 };

function takeLengths(count: number): Int32Array {
  if (count > SPARE.lengths) return new Int32Array(count);
  return spare.pop() ?? new Int32Array(SPARE.lengths);
}

/** Gives lengths back that the core has read, and that nobody reads again. @internal */
export function giveBack(lengths: Int32Array): void {
  if (lengths.length === SPARE.lengths && spare.length < SPARE.arrays) spare.push(lengths);
}

/** Units of a string that the core takes at a time; V8's longest has twice as many. */
const MOST_UNITS = 2 ** 28;

/** As one text: undefined where one is no text, or is empty, or they are too long for it. @internal */
export function joinTexts(texts: readonly unknown[]): JoinedTexts | undefined {
  const count = texts.length;
  const lengths = takeLengths(count);
  let units = 0;
  let joined = '';
  for (let i = 0; i < count; i++) {
    const text = texts[i];
    if (typeof text !== 'string' || text === '' || (units += text.length) > MOST_UNITS) return undefined;
    lengths[i] = text.length;
    // V8 copies the pieces when the core reads the whole, in a third of the time of join().
    joined += text;
  }
  return { joined, lengths, count };
}

/** What is added to an index at a time: less than a millisecond's work, unless a single text is longer. */
const PIECE = { texts: 2048, units: 2 ** 16 };

/** An index over texts of which the first stands for no text, and of equal ones the last counts, as {@link TextIndex} is. @internal */
export class CoreTextIndex {
  readonly native: NativeTextIndex;

  private constructor(count: number) {
    this.native = addon().texts.create(count);
  }

  /** In turns with the event loop. */
  static async over(texts: readonly string[]): Promise<CoreTextIndex> {
    const index = new CoreTextIndex(texts.length);
    const lengths = new Int32Array(PIECE.texts);
    for (let from = 0; from < texts.length;) {
      let [to, units] = [from, 0];
      while (to < texts.length && to - from < PIECE.texts && (to === from || units + texts[to].length <= PIECE.units))
        units += lengths[to++ - from] = texts[to - 1].length;
      addon().texts.add(index.native, texts.slice(from, to).join(''), lengths.subarray(0, to - from));
      if ((from = to) < texts.length) await setImmediate();
    }
    return index;
  }

  /** The numbers of many texts, 0 for those that are not among its own. */
  idsOf({ joined, lengths, count }: JoinedTexts): Int32Array {
    return addon().texts.find(this.native, joined, lengths.subarray(0, count));
  }
}
