import { InnerloopError } from '../foundation/errors.js';
import { atOnce, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { TextIndex } from '../foundation/text-index.js';
import { DEFAULT_NULLS } from './table-source.js';
import { trimText } from './values.js';

/** Ids as trimmed texts. An id is a non-empty text, a big integer, or a finite number; an integer must be a safe one. */
export function idTexts(ids: ArrayLike<unknown>, field: string, nulls: readonly string[] = DEFAULT_NULLS): string[] {
  return atOnce(idTextSteps(ids, field, nulls));
}

function* idTextSteps(ids: ArrayLike<unknown>, field: string, nulls: readonly string[]): Steps<string[]> {
  const texts = yield* presentIdSteps(ids, field, nulls);
  yield* pieces(texts.length, (from, to) => {
    for (let row = from; row < to; row++) if (texts[row] === undefined) throw notAnId(ids[row], row, field, nulls);
  });
  return texts as string[];
}

/** Ids as trimmed texts; undefined where an id is missing: null, NaN, an empty text, or one of `nulls`. */
export function* presentIdSteps(
  ids: ArrayLike<unknown>,
  field: string,
  nulls: readonly string[],
): Steps<(string | undefined)[]> {
  const markers = new Set(['', ...nulls]);
  const read = (id: unknown, row: number) => {
    if (typeof id === 'string') {
      const text = trimText(id);
      return markers.has(text) ? undefined : text;
    }
    if (id === null || id === undefined || Number.isNaN(id)) return undefined;
    const isNumber =
      typeof id === 'number' && Number.isFinite(id) && (!Number.isInteger(id) || Number.isSafeInteger(id));
    if (isNumber || typeof id === 'bigint') return String(id);
    throw notAnId(id, row, field);
  };
  const texts: (string | undefined)[] = [];
  yield* pieces(ids.length, (from, to) => {
    for (let row = from; row < to; row++) texts.push(read(ids[row], row));
  });
  return texts;
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
  return atOnce(uniqueIdSteps(ids, field, nulls));
}

/** The same in steps. */
export function* uniqueIdSteps(
  ids: ArrayLike<unknown>,
  field: string,
  nulls: readonly string[] = DEFAULT_NULLS,
): Steps<string[]> {
  const texts = yield* idTextSteps(ids, field, nulls);
  // An index numbers its texts from 1, as people count rows.
  yield* TextIndex.inSteps([''].concat(texts), undefined, (first, second) => {
    throw new InnerloopError('INVALID_DATA', `the id is in rows ${first} and ${second}`, {
      field,
      value: texts[second - 1],
      expected: 'each id once',
    });
  });
  return texts;
}
