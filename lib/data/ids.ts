import { InnerloopError } from '../foundation/errors.js';

/** Ids as text: non-empty texts, finite numbers that are exact, or big integers. */
export function idTexts(ids: ArrayLike<unknown>, field: string): string[] {
  return Array.from(ids, (id, row) => {
    const isNumber =
      typeof id === 'number' && Number.isFinite(id) && (!Number.isInteger(id) || Number.isSafeInteger(id));
    if ((typeof id === 'string' && id !== '') || isNumber || typeof id === 'bigint') return String(id);
    throw new InnerloopError('INVALID_DATA', `not an id in row ${row + 1}`, {
      field,
      value: id,
      expected: 'a non-empty text or a number',
    });
  });
}

/** The same, each id once: of the rows of a table or a matrix. */
export function uniqueIdTexts(ids: ArrayLike<unknown>, field: string): string[] {
  const texts = idTexts(ids, field);
  const seen = new Map<string, number>();
  texts.forEach((text, row) => {
    const first = seen.get(text);
    if (first !== undefined) {
      throw new InnerloopError('INVALID_DATA', `the id is in rows ${first + 1} and ${row + 1}`, {
        field,
        value: text,
        expected: 'each id once',
      });
    }
    seen.set(text, row);
  });
  return texts;
}
