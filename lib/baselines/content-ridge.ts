import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { checkTasks, checkTraining } from './baseline.js';
import type { Baseline } from './baseline.js';
import { choleskySolve } from './cholesky.js';
import { bagColumn, contentMatrix, multiply, sparseRidge } from './item-features.js';
import type { ContentRidgeOptions } from './option-types.js';
import { OPTIONS_OF } from './options.js';
import { fitBiases } from './user-item-bias.js';

/**
 * μ + b_i + a_u + Σ_{g ∈ genres(i)} w_ug. The item's bias is a ridge regression on its content; interactions of a known
 * item pull it to their own mean residual m_i: b_i = (n m_i + κ x_i·w) / (n + κ). The user's intercept and tastes are a
 * ridge regression on the task's support residuals. Made for items that no one has rated yet. The users' biases that
 * the m_i are cleared of come from the fit of `userItemBias` with its defaults.
 *
 * @throws UNKNOWN_OPTION or INVALID_OPTION for an option or a taste column that does not fit, EMPTY_DATA without rows.
 */
export function contentRidge(dataset: Dataset, trainRows: Int32Array, options: ContentRidgeOptions = {}): Baseline {
  checkTraining(dataset, trainRows);
  const {
    regularization,
    shrinkage,
    userRegularization: userRidge,
    tasteRegularization: tasteRidge,
    tasteColumn,
  } = resolveOptions(options, 'contentRidge', OPTIONS_OF.contentRidge);
  const bag = bagColumn(dataset.items, tasteColumn);
  const biases = fitBiases(dataset, trainRows);

  const items = dataset.items.rows;
  const count = new Float64Array(items);
  const residual = new Float64Array(items); // mean of y − μ − b_u
  for (let i = 0; i < trainRows.length; i++) {
    const row = trainRows[i];
    count[dataset.item[row]]++;
    residual[dataset.item[row]] += dataset.label[row] - biases.mean - biases.user[dataset.user[row]];
  }
  for (let item = 0; item < items; item++) if (count[item] > 0) residual[item] /= count[item];
  const content = contentMatrix(dataset.items);
  // Variance of m_i about x_i·w is σ²/n + σ²/κ: its inverse is the weight.
  const weight = count.map((n) => (n * shrinkage) / (n + shrinkage));
  const itemBias = multiply(content, sparseRidge(content, residual, weight, regularization));
  for (let item = 0; item < items; item++) {
    itemBias[item] = (count[item] * residual[item] + shrinkage * itemBias[item]) / (count[item] + shrinkage);
  }

  return {
    name: 'content ridge',
    kind: 'classic',
    scores: 'label',
    predict(tasks) {
      checkTasks(dataset, tasks);
      const { item, label } = tasks.dataset;
      const width = bag === undefined ? 1 : bag.vocabulary.values.length; // [intercept, value 1 …]
      const system = new Float64Array(width * width);
      const taste = new Float64Array(width);
      const score = new Float64Array(tasks.queryRows.length);
      // Indicators of item i: place 0 (intercept) and bag.data[from … to − 1], where id 0 is no value.
      const add = (row: number) => {
        const error = label[row] - biases.mean - itemBias[item[row]];
        system[0]++;
        taste[0] += error;
        if (bag === undefined) return;
        const to = bag.offsets[item[row] + 1];
        for (let e = bag.offsets[item[row]]; e < to; e++) {
          const i = bag.data[e];
          if (i === 0) continue;
          system[i * width]++;
          taste[i] += error;
          for (let f = bag.offsets[item[row]]; f < to; f++) {
            const j = bag.data[f];
            if (j > 0 && j <= i) system[i * width + j]++;
          }
        }
      };
      for (let t = 0; t < tasks.size; t++) {
        system.fill(0);
        taste.fill(0);
        for (let s = tasks.supportOffsets[t]; s < tasks.supportOffsets[t + 1]; s++) add(tasks.supportRows[s]);
        system[0] += userRidge;
        for (let i = 1; i < width; i++) system[i * width + i] += tasteRidge;
        choleskySolve(system, taste, width);
        for (let q = tasks.queryOffsets[t]; q < tasks.queryOffsets[t + 1]; q++) {
          const row = item[tasks.queryRows[q]];
          score[q] = biases.mean + itemBias[row] + taste[0];
          if (bag === undefined) continue;
          for (let e = bag.offsets[row]; e < bag.offsets[row + 1]; e++) {
            if (bag.data[e] > 0) score[q] += taste[bag.data[e]];
          }
        }
      }
      return score;
    },
  };
}
