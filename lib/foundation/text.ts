/** Text for people: lines that fit a terminal, cells that stay cells. */

/** Code points, not UTF-16 units: ± and accented names count once. */
const length = (text: string) => [...text].length;

/** Characters of a line of a terminal that everybody has. */
export const LINE = 100;

/**
 * The columns of a table in blocks that fit a line, the first one in each of them.
 *
 * @param widths of the columns, between which are two spaces
 * @returns the columns of each block, by number
 */
export function columnBlocks(widths: readonly number[], most = LINE): number[][] {
  const [first, ...others] = widths;
  const blocks: number[][] = [];
  let width = Infinity;
  others.forEach((own, k) => {
    if (width + 2 + own > most) {
      blocks.push([0]);
      width = first;
    }
    blocks.at(-1)!.push(k + 1);
    width += 2 + own;
  });
  return blocks.length === 0 ? [[0]] : blocks;
}

/** A sentence in lines of at most so many characters, broken between words; a longer word has a line to itself. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== undefined && length(last) + 1 + length(word) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Characters that move the cursor, turn the direction of writing or cannot be seen, as escapes: texts of data on a terminal. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}

/** A text in a Markdown table, as it is: no HTML, no end of the cell or of the line. */
export function escapeMarkdown(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('|', '\\|')
    .replace(/\s*[\r\n]+\s*/g, ' ');
}
