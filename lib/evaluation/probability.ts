import { checkNumbers, checkTyped } from '../foundation/typed-arrays.js';
import { invalid } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import { RELIABILITY_OPTIONS } from './analysis-options.js';
import type { ReliabilityOptions } from './analysis-option-types.js';

export type { ReliabilityOptions };

/** A bin of rows with similar predicted probabilities. */
export interface ReliabilityBin {
  /** The number of predictions in the bin. */
  rows: number;
  /** Mean predicted probability. */
  predicted: number;
  /** Share of rows with label 1. */
  observed: number;
}
/** The calibration of predicted probabilities. */
export interface Reliability {
  /** The bins that have rows, in ascending order of probability. */
  bins: ReliabilityBin[];
  /** Expected calibration error Σ_b n_b/n · |observed_b − predicted_b| (Naeini, Cooper & Hauskrecht 2015). */
  ece: number;
  /** The largest of those differences. */
  mce: number;
  /** Mean of (p − y)² (Brier 1950). */
  brier: number;
}
/**
 * Measures the calibration of predicted probabilities over all rows together.
 *
 * With equal widths, bin b of B has the rows with p in (b/B, (b + 1)/B], the first bin also those with p = 0. The error is biased
 * upwards if bins have few rows, so methods should be compared on the same number of rows.
 *
 * @param labels labels 0 or 1
 * @param probabilities a probability in [0, 1] for each label
 * @throws INVALID_OPTION naming the row
 */
export function reliability(
  labels: ArrayLike<number>,
  probabilities: Float64Array,
  options: ReliabilityOptions = {},
): Reliability {
  const { bins, by } = resolveOptions(options, 'reliability', RELIABILITY_OPTIONS);
  checkNumbers(labels, 'labels');
  checkTyped(probabilities, 'probabilities', 'Float64Array');
  const n = probabilities.length;
  if (labels.length !== n || n === 0)
    throw invalid('labels', 'not one label a probability', labels.length, `${n || 'some'} labels`);
  for (let i = 0; i < n; i++) {
    if (labels[i] !== 0 && labels[i] !== 1) throw invalid(`labels[${i}]`, 'not binary', labels[i], '0 or 1');
    if (!(probabilities[i] >= 0 && probabilities[i] <= 1))
      throw invalid(`probabilities[${i}]`, 'not a probability', probabilities[i], 'a number in [0, 1]');
  }
  const [rows, predicted, observed] = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  const binOf = by === 'width' ? equalWidth(probabilities, bins) : equalRows(probabilities, bins);
  let brier = 0;
  for (let i = 0; i < n; i++) {
    const b = binOf[i];
    rows[b]++;
    predicted[b] += probabilities[i];
    observed[b] += labels[i];
    brier += (probabilities[i] - labels[i]) ** 2 / n;
  }
  const filled: ReliabilityBin[] = [];
  rows.forEach((count, b) => {
    if (count > 0) filled.push({ rows: count, predicted: predicted[b] / count, observed: observed[b] / count });
  });
  const errors = filled.map((bin) => Math.abs(bin.observed - bin.predicted));
  return {
    bins: filled,
    ece: filled.reduce((sum, bin, b) => sum + (bin.rows / n) * errors[b], 0),
    mce: Math.max(...errors),
    brier,
  };
}

function equalWidth(probabilities: Float64Array, bins: number): Int32Array {
  return Int32Array.from(probabilities, (p) => Math.max(0, Math.ceil(p * bins) - 1));
}

/** Divides rows into bins of about equal numbers of rows; equal probabilities are in the same bin. */
function equalRows(probabilities: Float64Array, bins: number): Int32Array {
  const order = Int32Array.from(probabilities, (_, i) => i).sort((i, j) => probabilities[i] - probabilities[j]);
  const binOf = new Int32Array(order.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && probabilities[order[to]] === probabilities[order[from]]) to++;
    for (let i = from; i < to; i++) binOf[order[i]] = Math.floor((from * bins) / order.length);
    from = to;
  }
  return binOf;
}
