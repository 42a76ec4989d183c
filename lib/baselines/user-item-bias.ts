import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { checkTasks, checkTraining, groupRows, meanLabel } from './baseline.js';
import type { Baseline } from './baseline.js';
import type { UserItemBiasOptions } from './option-types.js';
import { OPTIONS_OF } from './options.js';

export interface Biases {
  mean: number;
  /** Biases by user row and by item row; 0 where training saw none. */
  user: Float64Array;
  item: Float64Array;
  userRegularization: number;
}

/**
 * μ + b_user + b_item, minimising Σ (y − μ − b_u − b_i)² + λ_u Σ b_u² + λ_i Σ b_i² by alternating exact solves; the
 * bias of a task's user is the same ridge on its support rows, Σ (y − μ − b_i) / (n + λ_u).
 */
export function userItemBias(dataset: Dataset, trainRows: Int32Array, options: UserItemBiasOptions = {}): Baseline {
  const biases = fitBiases(dataset, trainRows, options);
  return {
    name: 'user + item bias',
    kind: 'classic',
    scores: 'label',
    predict(tasks) {
      checkTasks(dataset, tasks);
      const { item, label } = tasks.dataset;
      const score = new Float64Array(tasks.queryRows.length);
      for (let t = 0; t < tasks.size; t++) {
        let sum = 0;
        for (let s = tasks.supportOffsets[t]; s < tasks.supportOffsets[t + 1]; s++) {
          const row = tasks.supportRows[s];
          sum += label[row] - biases.mean - biases.item[item[row]];
        }
        const user = ridgeMean(sum, tasks.supportOffsets[t + 1] - tasks.supportOffsets[t], biases.userRegularization);
        for (let q = tasks.queryOffsets[t]; q < tasks.queryOffsets[t + 1]; q++) {
          score[q] = biases.mean + user + biases.item[item[tasks.queryRows[q]]];
        }
      }
      return score;
    },
  };
}

/** The fit behind {@link userItemBias}, which the factor and content baselines start from. */
export function fitBiases(dataset: Dataset, trainRows: Int32Array, options: UserItemBiasOptions = {}): Biases {
  const { itemRegularization, userRegularization, sweeps } = resolveOptions(
    options,
    'userItemBias',
    OPTIONS_OF.userItemBias,
  );
  checkTraining(dataset, trainRows);
  const mean = meanLabel(dataset, trainRows);
  const user = new Float64Array(dataset.users.rows);
  const item = new Float64Array(dataset.items.rows);
  const byUser = groupRows(trainRows, dataset.user, user.length);
  const byItem = groupRows(trainRows, dataset.item, item.length);
  const solve = (own: Float64Array, other: Float64Array, otherOf: Int32Array, groups: typeof byUser, ridge: number) => {
    for (let g = 0; g < own.length; g++) {
      let sum = 0;
      for (let e = groups.offsets[g]; e < groups.offsets[g + 1]; e++) {
        const row = groups.entries[e];
        sum += dataset.label[row] - mean - other[otherOf[row]];
      }
      own[g] = ridgeMean(sum, groups.offsets[g + 1] - groups.offsets[g], ridge);
    }
  };
  for (let sweep = 0; sweep < sweeps; sweep++) {
    solve(item, user, dataset.user, byItem, itemRegularization);
    solve(user, item, dataset.item, byUser, userRegularization);
  }
  return { mean, user, item, userRegularization };
}

/** argmin_b Σ (e − b)² + λ b²; 0 without rows, also at λ = 0. */
export function ridgeMean(sum: number, count: number, regularization: number): number {
  return count === 0 ? 0 : sum / (count + regularization);
}
