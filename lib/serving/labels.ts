/** Labels of support sets: which a model can have, and which it adapts to. */
import type { TaskName } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import type { LossSpec } from '../foundation/contract.js';
import { FLOAT32_MAX } from '../data/columns.js';
import { lossOf } from '../model/losses.js';
import type { Loss } from '../model/losses.js';
import type { RowState } from '../batch/row-rules.js';
import type { Learner } from '../learner/learner.js';
import type { Support } from './support.js';

/** @internal Whether a loss can have such a label. */
export function isLabel(y: unknown, loss: Loss, head: LossSpec): y is number {
  return typeof y === 'number' && Number.isFinite(y) && loss.fits(y, head);
}

/** @internal Whether a rating is within the range of training, or that is not known. */
export function isWithin(range: RowState['range'], y: number): boolean {
  return range === undefined || (y >= range.min && y <= range.max);
}

/** @internal Whether a model's numbers reach a label: beyond them it would be infinite. */
export function isInPrecision({ model: { precision } }: Learner, y: number): boolean {
  return precision === 'float64' || Math.abs(y) <= FLOAT32_MAX;
}

/**
 * @internal What a task that diverged is called: by its label farthest outside of the training data, whose loss and gradients may be
 * too large for any learning rate; by `name` where all labels are within.
 */
export function divergedBy(learner: Learner, labels: ArrayLike<number>, name: string, field = name): TaskName {
  const { range } = learner.rowState;
  const distance = (y: number) => (range === undefined ? 0 : Math.max(range.min - y, y - range.max, 0));
  let [farthest, most] = [-1, 0];
  for (let i = 0; i < labels.length; i++) if (distance(labels[i]) > most) [farthest, most] = [i, distance(labels[i])];
  if (farthest < 0) return name;
  return {
    field: `${field}.labels[${farthest}]`,
    value: labels[farthest],
    expected: `a label nearer to those of the training data, ${range!.min} to ${range!.max}; outside: 'clip' takes the nearest of them`,
  };
}

/** @internal A label as it enters the losses. */
export function checkedLabel(learner: Learner, y: unknown, outside: Support['outside'], field: string): number {
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  if (isLabel(y, loss, head)) {
    const label = withinRange(learner, y, outside, field);
    if (isInPrecision(learner, label)) return label;
    throw invalid(
      field,
      'too large for float32',
      y,
      `a number of a magnitude up to ${FLOAT32_MAX}, or outside: 'clip'`,
    );
  }
  throw invalid(field, `not a label for ${head.loss}`, y, `${loss.labels(head)}, as in the training data`);
}

/** A rating within the range of training, or as it is where that is not known. */
function withinRange({ rowState: { range } }: Learner, y: number, outside: Support['outside'], field: string): number {
  if (outside === 'allow' || isWithin(range, y)) return y;
  if (outside === 'clip') return Math.min(range!.max, Math.max(range!.min, y));
  throw invalid(
    field,
    'outside of the ratings of the training data',
    y,
    `${range!.min} to ${range!.max}; or a support set with outside: 'clip' or 'allow'`,
  );
}
