/** Whether the labels of training tasks are such as the loss can learn from. */
import type { TaskSet } from '../foundation/contract.js';
import type { TaskStatistics } from '../foundation/task-source-types.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Learner } from '../learner/learner.js';
import { lossesWhere, lossOf } from '../model/losses.js';

/** @throws {InnerloopError} INVALID_DATA for a label that does not fit the loss, or where all are the same and it tells labels apart */
export function checkLabels(learner: Learner, tasks: TaskSet): void {
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  const { label } = tasks.dataset;
  let first: number | undefined;
  let varies = false;
  for (const rows of [tasks.supportRows, tasks.queryRows]) {
    for (const row of rows) {
      const y = label[row];
      first ??= y;
      varies ||= y !== first;
      if (loss.fits(y, head)) continue;
      throw new InnerloopError('INVALID_DATA', `row ${row + 1} does not fit the loss ${head.loss}`, {
        field: 'label',
        value: y,
        expected: loss.labels(head),
      });
    }
  }
  if (!varies) requireVaried(learner, first);
}

/** The same of tasks that are not in memory. */
export function checkLabelsOf(learner: Learner, { labels }: TaskStatistics): void {
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  const { min, max, fraction } = labels;
  // What a loss takes is an interval, or the whole numbers of one.
  for (const y of [min, max, fraction])
    if (y !== undefined && !loss.fits(y, head))
      throw new InnerloopError('INVALID_DATA', `a label does not fit the loss ${head.loss}`, {
        field: 'label',
        value: y,
        expected: loss.labels(head),
      });
  if (min === max) requireVaried(learner, min);
}

function requireVaried({ model }: Learner, label: number | undefined): void {
  const { head } = model.spec;
  // A ranking loss draws negatives; further heads have labels of their own.
  if (lossOf(head).ranks || (head.also ?? []).length > 0) return;
  const ranking = lossesWhere(({ ranks }) => ranks === true).join(' or ');
  throw new InnerloopError('INVALID_DATA', `every label is ${label}: nothing to learn for the loss ${head.loss}`, {
    field: 'label',
    value: label,
    expected: `labels of more than one value; for purchases, clicks and plays the loss ${ranking}, which draws negatives`,
  });
}

/** @throws {InnerloopError} INVALID_DATA for a weight of a training row that is none, or where all are 0 */
export function checkWeights({ dataset, supportRows, queryRows }: TaskSet): void {
  const { weight } = dataset;
  if (weight === undefined) return;
  const bad = (what: string, value: unknown) =>
    new InnerloopError('INVALID_DATA', what, {
      field: 'dataset.weight',
      value,
      expected: 'finite numbers ≥ 0, not all 0',
    });
  if (weight.length !== dataset.size)
    throw bad(`has ${weight.length} entries for ${dataset.size} interactions`, weight);
  let any = false;
  for (const rows of [supportRows, queryRows])
    for (const row of rows) {
      const w = weight[row];
      if (!(w >= 0 && Number.isFinite(w))) throw bad(`row ${row + 1} has no weight`, w);
      any ||= w > 0;
    }
  if (!any) throw bad('every weight is 0: nothing to learn', 0);
}

/** The same of tasks that are not in memory, whose weights are checked as they are read. */
export function checkWeightsOf({ weighted }: TaskStatistics): void {
  if (weighted === false)
    throw new InnerloopError('INVALID_DATA', 'every weight is 0: nothing to learn', {
      field: 'dataset.weight',
      value: 0,
      expected: 'finite numbers ≥ 0, not all 0',
    });
}
