/** Labels of auxiliary heads, which are columns of the interactions. */
import { invalid } from '../foundation/check.js';
import type { AuxiliaryHead, Dataset } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { lossOf } from './losses.js';

/**
 * The labels of an auxiliary head: a dense column of the interactions, of size 1 and its name. Where there is a column
 * `<name>.present`, rows in which that is 0 have none (NaN).
 *
 * @throws {InnerloopError} MISSING_COLUMN; INVALID_OPTION for a column of another kind; INVALID_DATA for a label that does not fit
 * @internal
 */
export function auxiliaryLabels(dataset: Dataset, head: AuxiliaryHead): Float64Array {
  let labels = known.get(dataset)?.get(head.name);
  if (labels === undefined) {
    labels = readLabels(dataset, head);
    const own = known.get(dataset) ?? new Map<string, Float64Array>();
    known.set(dataset, own.set(head.name, labels));
  }
  return labels;
}

/** Labels by dataset and head are kept, because every batch of an epoch needs them. */
const known = new WeakMap<Dataset, Map<string, Float64Array>>();

function readLabels({ context }: Dataset, head: AuxiliaryHead): Float64Array {
  const field = `model.head.also.${head.name}`;
  const find = (name: string) => context.columns.find((column) => column.name === name);
  const column = find(head.name);
  if (column === undefined) {
    const names = context.columns.map(({ name }) => name);
    throw new InnerloopError('MISSING_COLUMN', suggesting('no such column of the interactions', head.name, names), {
      field,
      value: head.name,
      expected: `one of ${names.join(', ')}`,
    });
  }
  if (column.kind !== 'dense' || column.size !== 1)
    throw invalid(field, `the column is ${column.kind}`, head.name, 'a dense column of size 1, not standardised');
  const loss = lossOf(head);
  const present = find(`${head.name}.present`);
  return Float64Array.from(column.data, (y, row) => {
    if (present?.kind === 'dense' && present.data[row] === 0) return NaN;
    if (loss.fits(y, head)) return y;
    throw new InnerloopError('INVALID_DATA', `row ${row + 1} does not fit the loss ${head.loss}`, {
      field: head.name,
      value: y,
      expected: loss.labels(head),
    });
  });
}
