/** Numbers of texts that are found in the core, where threads other than JavaScript's can do it. */
import { setImmediate } from 'node:timers/promises';
import { addon } from './addon.js';
import type { NativeTextIndex } from './addon.js';

/** Many texts as the core takes them. @internal */
export interface JoinedTexts {
  joined: string;
  lengths: Int32Array;
}

/** Units of a string that the core takes at a time; V8's longest has twice as many. */
const MOST_UNITS = 2 ** 28;

/** As one text: undefined where one is no text, or is empty, or they are too long for it. @internal */
export function joinTexts(texts: readonly unknown[]): JoinedTexts | undefined {
  const lengths = new Int32Array(texts.length);
  let units = 0;
  for (let i = 0; i < lengths.length; i++) {
    const text = texts[i];
    if (typeof text !== 'string' || text === '') return undefined;
    units += lengths[i] = text.length;
  }
  return units > MOST_UNITS ? undefined : { joined: texts.join(''), lengths };
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
  idsOf({ joined, lengths }: JoinedTexts): Int32Array {
    return addon().texts.find(this.native, joined, lengths);
  }
}
