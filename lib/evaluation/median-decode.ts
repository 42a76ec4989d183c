import { checkNumbers, checkTyped } from '../foundation/typed-arrays.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { MEDIAN_DECODER_OPTIONS } from './analysis-options.js';
import type { MedianDecoderOptions } from './analysis-option-types.js';

/** A monotone step function from scores to labels, made of plain numbers that can be stored as JSON. */
export interface MedianDecoder {
  /** The distinct labels, ascending. */
  levels: number[];
  /**
   * Ascending, one fewer than levels: a score above `thresholds[j]` decodes to a label above `levels[j]`. ±Number.MAX_VALUE if no
   * score, or every score, does.
   */
  thresholds: number[];
  /** Returns the label for each score. */
  decode(scores: Float64Array): Float64Array;
}

const MAX_LEVELS = 64;
const MAX_CELLS = 512;

/**
 * Fits the label that minimises mean absolute error given a method's score: the median of P(label | score).
 *
 * Training with squared error yields the conditional mean, which is not what MAE rewards. The median exceeds a level r
 * exactly where P(label > r | score) > ½, so one threshold per level is the whole decoder. Each probability is estimated
 * by local linear regression of the indicator on the score, and the threshold is the cut that errs least under it.
 *
 * Fit it on rows that the method is neither trained nor measured on (validation tasks): if it is fitted on the rows that it is
 * measured on, the MAE is too low.
 *
 * @param scores predictions
 * @param labels their true labels, of at most 64 distinct values (a rating scale)
 * @throws EMPTY_DATA, INVALID_DATA (more than 64 distinct labels, not finite), INVALID_OPTION.
 */
export function fitMedianDecoder(
  scores: Float64Array,
  labels: ArrayLike<number>,
  options: MedianDecoderOptions = {},
): MedianDecoder {
  const given = resolveOptions(options, 'medianDecoder', MEDIAN_DECODER_OPTIONS);
  checkTyped(scores, 'scores', 'Float64Array');
  checkNumbers(labels, 'labels');
  const levels = distinctLabels(scores, labels);
  const { bandwidth = silverman(scores) } = given;
  const order = Int32Array.from(scores, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  const cells = cellEnds(scores, order);
  const thresholds: number[] = [];
  for (let j = 0; j < levels.length - 1; j++) {
    const cut = threshold(smooth(scores, labels, order, cells, levels[j], bandwidth));
    // P(label > r) decreases with r, so thresholds increase; local linear weights can be negative and violate that slightly.
    thresholds.push(Math.max(cut, thresholds[j - 1] ?? -Infinity));
  }
  return medianDecoder(levels, thresholds);
}

/** Makes a decoder from its stored numbers. */
export function medianDecoder(levels: number[], thresholds: number[]): MedianDecoder {
  checkNumbers(levels, 'levels');
  checkNumbers(thresholds, 'thresholds');
  if (levels.length !== thresholds.length + 1)
    throw new InnerloopError('INVALID_OPTION', 'not one threshold between two levels', {
      field: 'thresholds',
      value: thresholds.length,
      expected: `${levels.length - 1} thresholds`,
    });
  const decode = (scores: Float64Array) => {
    checkTyped(scores, 'scores', 'Float64Array');
    return scores.map((score) => {
      let j = 0;
      while (j < thresholds.length && score > thresholds[j]) j++;
      return levels[j];
    });
  };
  return { levels, thresholds, decode };
}

function distinctLabels(scores: Float64Array, labels: ArrayLike<number>): number[] {
  const invalid = (what: string, value: unknown, expected: string) =>
    new InnerloopError('INVALID_DATA', what, { field: 'medianDecoder', value, expected });
  if (labels.length !== scores.length) {
    throw invalid('not one label per score', labels.length, `${scores.length} labels`);
  }
  if (scores.length === 0) throw new InnerloopError('EMPTY_DATA', 'nothing to fit on', { field: 'medianDecoder' });
  const seen = new Set<number>();
  for (let i = 0; i < scores.length; i++) {
    if (!Number.isFinite(scores[i])) throw invalid(`score ${i} is not finite`, scores[i], 'a finite number');
    if (!Number.isFinite(labels[i])) throw invalid(`label ${i} is not finite`, labels[i], 'a finite number');
    seen.add(labels[i]);
    if (seen.size > MAX_LEVELS) {
      throw invalid('too many distinct labels', seen.size, `a scale of at most ${MAX_LEVELS} labels`);
    }
  }
  return [...seen].sort((a, b) => a - b);
}

function silverman(scores: Float64Array): number {
  let mean = 0;
  for (const score of scores) mean += score / scores.length;
  let variance = 0;
  for (const score of scores) variance += (score - mean) ** 2 / scores.length;
  return 1.06 * Math.sqrt(variance) * scores.length ** -0.2;
}

/** The ends, in sorted order, of at most 512 cells of about equal count; equal scores are in the same cell. */
function cellEnds(scores: Float64Array, order: Int32Array): number[] {
  const ends: number[] = [];
  const step = Math.max(1, order.length / MAX_CELLS);
  for (let end = 0; end < order.length;) {
    end = Math.min(order.length, Math.max(end + 1, Math.round((ends.length + 1) * step)));
    while (end < order.length && scores[order[end]] === scores[order[end - 1]]) end++;
    ends.push(end);
  }
  return ends;
}

interface Curve {
  /** Mean score and number of rows of each cell, in ascending order of scores. */
  score: Float64Array;
  count: Float64Array;
  /** Estimate of P(label > level | score) in each cell. */
  above: Float64Array;
}

function smooth(
  scores: Float64Array,
  labels: ArrayLike<number>,
  order: Int32Array,
  ends: number[],
  level: number,
  bandwidth: number,
): Curve {
  const score = new Float64Array(ends.length);
  const count = new Float64Array(ends.length);
  const share = new Float64Array(ends.length);
  for (let c = 0, i = 0; c < ends.length; c++) {
    count[c] = ends[c] - i;
    for (; i < ends[c]; i++) {
      score[c] += scores[order[i]] / count[c];
      if (labels[order[i]] > level) share[c] += 1 / count[c];
    }
  }
  if (bandwidth === 0) return { score, count, above: share };
  const above = score.map((at) => {
    let [s0, s1, s2, t0, t1] = [0, 0, 0, 0, 0];
    for (let c = 0; c < score.length; c++) {
      const x = (score[c] - at) / bandwidth;
      const weight = count[c] * Math.exp(-0.5 * x * x);
      s0 += weight;
      s1 += weight * x;
      s2 += weight * x * x;
      t0 += weight * share[c];
      t1 += weight * x * share[c];
    }
    // The estimate is the intercept of the weighted line; if only one cell has weight, the line is undetermined and its mean is used.
    const determinant = s0 * s2 - s1 * s1;
    const line = determinant > 1e-9 * s0 * s0 ? (s2 * t0 - s1 * t1) / determinant : t0 / s0;
    return Math.min(Math.max(line, 0), 1);
  });
  return { score, count, above };
}

/** The cut t with the least Σ count · |1[score > t] − above|, in the middle between two cells. */
function threshold({ score, count, above }: Curve): number {
  let best = 0;
  let bestCut = -1;
  let loss = 0; // relative to a cut below every cell; moving the cut past cell c changes the loss by (2p − 1) · count
  for (let c = 0; c < score.length; c++) {
    loss += (2 * above[c] - 1) * count[c];
    if (loss < best) [best, bestCut] = [loss, c];
  }
  if (bestCut < 0) return -Number.MAX_VALUE;
  return bestCut === score.length - 1 ? Number.MAX_VALUE : (score[bestCut] + score[bestCut + 1]) / 2;
}
