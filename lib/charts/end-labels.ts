/** Names of lines at their right ends, beside each other's and not over them, in place of a legend. */
import { broken, escape, round, widestText } from './svg.js';
import type { Key } from './svg.js';

/** Font size of labels on a narrow screen (style.ts); on a wide one they are smaller. */
const SIZE = 13;
/** Height of a line of a label. */
const LINE = 14;
/** Space above and below a label. */
const SPACE = 3;
/** Between the last points and the labels, where thin lines lead from one to the other. */
export const LEAD = 22;
/** The widths that labels may take; the first is taken in which no name needs more lines than {@link MOST_LINES}. */
const ROOMS = [60, 80, 100, 120] as const;
const MOST_LINES = 2;

/** Names in lines, and the width that they take. */
export interface EndLabels {
  lines: readonly string[][];
  room: number;
}

/**
 * Breaks names into lines.
 * @param height that all labels together may take
 * @returns undefined if they take more, or are too wide: then the chart has a legend
 */
export function endLabels(names: readonly string[], height: number): EndLabels | undefined {
  for (const room of ROOMS) {
    const lines = names.map((name) => broken(name, room / SIZE));
    // A name that is broken within a word is not readable as a label.
    const isWhole = names.every((name) => name.split(' ').every((word) => widestText(word) <= room / SIZE));
    const total = lines.reduce((sum, { length }) => sum + heightOf(length), 0);
    if (isWhole && total <= height && lines.every(({ length }) => length <= MOST_LINES)) return { lines, room };
  }
  return undefined;
}

const heightOf = (lines: number) => LINE * lines + SPACE;

/** A label and the last point of its line. */
export interface End {
  key: Key;
  lines: readonly string[];
  x: number;
  y: number;
}

/** Draws the labels from `left` on, each as near to the height of its line's end as the others allow. @returns one for each end */
export function drawEndLabels(
  ends: readonly End[],
  left: number,
  [top, base]: readonly [number, number],
): Map<End, string> {
  const sorted = [...ends].sort((a, b) => a.y - b.y);
  const middles = apart(
    sorted.map(({ y, lines }) => ({ at: y, height: heightOf(lines.length) })),
    top,
    base,
  );
  return new Map(
    sorted.map((end, k) => {
      const { key, lines, x, y } = end;
      const middle = middles[k];
      const first = middle + 4 - (LINE * (lines.length - 1)) / 2;
      const words = lines.map(
        (text, l) => `<text class="end ${key.tone}" x="${left}" y="${round(first + LINE * l)}">${escape(text)}</text>`,
      );
      const lead = `<path class="lead ${key.tone}" d="M${round(x + 6)} ${round(y)}L${left - 4} ${round(middle)}"/>`;
      return [end, `${lead}${words.join('')}`];
    }),
  );
}

/**
 * The middles of boxes in order, apart from each other and between `top` and `base`, with the least sum of squared distances from
 * where they should be: isotonic regression (pool adjacent violators) after the boxes above each are subtracted. @internal
 */
export function apart(boxes: readonly { at: number; height: number }[], top: number, base: number): number[] {
  let above = 0;
  const offsets = boxes.map(({ height }) => {
    const middle = above + height / 2;
    above += height;
    return middle;
  });
  const pools: { sum: number; count: number }[] = [];
  boxes.forEach(({ at }, k) => {
    let pool = { sum: at - offsets[k], count: 1 };
    for (
      let last = pools.at(-1);
      last !== undefined && last.sum / last.count >= pool.sum / pool.count;
      last = pools.at(-1)
    ) {
      pool = { sum: pool.sum + last.sum, count: pool.count + last.count };
      pools.pop();
    }
    pools.push(pool);
  });
  const starts = pools.flatMap(({ sum, count }) => Array<number>(count).fill(sum / count));
  return starts.map((start, k) => Math.max(top, Math.min(base - above, start)) + offsets[k]);
}
