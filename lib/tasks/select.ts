import type { FeatureTable } from '../foundation/contract.js';
import { InnerloopError, nearest, suggesting } from '../foundation/errors.js';
import { invalid } from '../foundation/check.js';
import { random } from '../foundation/random.js';
import type { Selector } from './option-types.js';

/**
 * Marks the entities that a selector picks among `candidates` (1 per row of the table).
 * @returns 1 for each row picked
 */
export function select(
  table: FeatureTable,
  candidates: Uint8Array,
  selector: Selector,
  seed: number,
  field: string,
): Uint8Array {
  const picked = new Uint8Array(table.rows);
  if ('fraction' in selector) {
    const rows = rowsWhere(candidates);
    const count = Math.round(rows.length * selector.fraction);
    // The stream's name is the option's path, so that no two selections of one split use the same numbers.
    random(seed, field).shuffle(rows);
    for (let k = 0; k < count; k++) picked[rows[k]] = 1;
  } else {
    const column = table.columns.find(({ name }) => name === selector.column);
    if (column === undefined) {
      const names = table.columns.map(({ name }) => name);
      throw new InnerloopError('MISSING_COLUMN', suggesting('no such feature', selector.column, names), {
        field: `${field}.column`,
        value: selector.column,
        expected: names.length === 0 ? 'a feature table' : `one of ${names.join(', ')}`,
      });
    }
    if (column.kind === 'dense') {
      throw invalid(
        `${field}.column`,
        'is a dense feature, whose values are standardised',
        selector.column,
        'a categorical feature (map the column as one too)',
      );
    }
    const chosen = chooseIds(column.vocabulary.values, selector, `${field}.in`);
    for (let row = 1; row < table.rows; row++) {
      if (candidates[row] === 0) continue;
      if (column.kind === 'categorical') picked[row] = chosen[column.data[row]]!;
      else for (let k = column.offsets[row]; k < column.offsets[row + 1]; k++) picked[row] |= chosen[column.data[k]];
    }
  }
  const count = picked.reduce((sum, flag) => sum + flag, 0);
  const total = candidates.reduce((sum, flag) => sum + flag, 0);
  if (count === 0 || count === total) {
    throw new InnerloopError('EMPTY_DATA', `selects ${count} of ${total}`, {
      field,
      expected: 'a selection of some, and not of all',
    });
  }
  return picked;
}

/** 1 for each id of a vocabulary that the selector names; never for id 0, missing. */
function chooseIds(
  values: readonly string[],
  selector: Exclude<Selector, { fraction: number }>,
  field: string,
): Uint8Array {
  const chosen = new Uint8Array(values.length);
  if ('in' in selector) {
    for (const wanted of selector.in) {
      const id = values.indexOf(String(wanted), 1);
      if (id < 0) {
        const near = nearest(String(wanted), values.slice(1, 2000));
        throw invalid(
          field,
          near === undefined ? 'no row has this value' : `no row has this value; did you mean ${JSON.stringify(near)}?`,
          wanted,
          `values of ${selector.column}`,
        );
      }
      chosen[id] = 1;
    }
    return chosen;
  }
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = selector;
  for (let id = 1; id < values.length; id++) {
    const number = values[id].trim() === '' ? Number.NaN : Number(values[id]);
    chosen[id] = number >= min && number <= max ? 1 : 0;
  }
  return chosen;
}

/** Indices with a non-zero flag, ascending. */
export function rowsWhere(flags: Uint8Array): Int32Array {
  let count = 0;
  for (let row = 0; row < flags.length; row++) if (flags[row] !== 0) count++;
  const rows = new Int32Array(count);
  for (let row = 0, k = 0; row < flags.length; row++) if (flags[row] !== 0) rows[k++] = row;
  return rows;
}
