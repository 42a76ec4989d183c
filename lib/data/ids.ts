import { InnerloopError } from '../foundation/errors.js';
import { DEFAULT_NULLS } from './table-source.js';
import { trimText } from './values.js';

/** Ids as trimmed texts. An id is a non-empty text, a big integer, or a finite number; an integer must be a safe one. */
export function idTexts(ids: ArrayLike<unknown>, field: string, nulls: readonly string[] = DEFAULT_NULLS): string[] {
  return presentIdTexts(ids, field, nulls).map((id, row) => {
    if (id !== undefined) return id;
    throw notAnId(ids[row], row, field, nulls);
  });
}

/** Ids as trimmed texts; undefined where an id is missing: null, NaN, an empty text, or one of `nulls`. */
export function presentIdTexts(
  ids: ArrayLike<unknown>,
  field: string,
  nulls: readonly string[],
): (string | undefined)[] {
  const markers = new Set(['', ...nulls]);
  return Array.from(ids, (id, row) => {
    if (typeof id === 'string') {
      const text = trimText(id);
      return markers.has(text) ? undefined : text;
    }
    if (id === null || id === undefined || Number.isNaN(id)) return undefined;
    const isNumber =
      typeof id === 'number' && Number.isFinite(id) && (!Number.isInteger(id) || Number.isSafeInteger(id));
    if (isNumber || typeof id === 'bigint') return String(id);
    throw notAnId(id, row, field);
  });
}

function notAnId(value: unknown, row: number, field: string, nulls: readonly string[] = []): InnerloopError {
  const isMarker = typeof value === 'string' && nulls.includes(trimText(value));
  return new InnerloopError('INVALID_DATA', `not an id in row ${row + 1}`, {
    field,
    value,
    expected: `a non-empty text or a number${isMarker ? '; nulls: [] if it is an id and no missing value' : ''}`,
  });
}

/** Ids as trimmed texts, for the rows of a table or matrix; throws if an id is missing or there twice. */
export function uniqueIdTexts(ids: ArrayLike<unknown>, field: string, nulls?: readonly string[]): string[] {
  const texts = idTexts(ids, field, nulls);
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
