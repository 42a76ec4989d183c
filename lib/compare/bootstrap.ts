import { isTyped } from '../foundation/typed-arrays.js';
import { invalid, checkArray } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import { INTERVAL_DRAWS } from '../evaluation/analysis-options.js';
import { bootstrapEnds, meanOf } from '../evaluation/bootstrap.js';
import type { ResampleOptions } from '../evaluation/bootstrap.js';
import type { Interval } from '../evaluation/intervals.js';
import { random } from '../foundation/random.js';

/**
 * Means over tasks of many columns, with 95 % intervals of the bootstrap (BCa, widened for few tasks; Efron 1987, Hesterberg 2015). Unlike `meanInterval` it
 * supposes no normal mean, which metrics with ties and bounds do not have over few tasks. All columns share the draws: they are
 * made once, and the difference of two columns, given as a column of its own, is paired.
 *
 * ```ts
 * const [mae, difference] = bootstrapIntervals([ours, ours.map((value, t) => value - theirs[t])]);
 * ```
 *
 * @param columns values per task, NaN where undefined; all of one length
 * @returns for each column its mean over the tasks where it is defined; `low` and `high` are NaN with fewer than two
 * @throws {InnerloopError} INVALID_OPTION for columns of different lengths, UNKNOWN_OPTION
 */
export function bootstrapIntervals(columns: readonly Float64Array[], options: ResampleOptions = {}): Interval[] {
  const { resamples, seed } = resolveOptions(options, 'bootstrap', INTERVAL_DRAWS);
  checkArray(columns, 'columns', 'Float64Arrays');
  const size = columns[0]?.length ?? 0;
  columns.forEach((column, c) => {
    if (!isTyped(column, 'Float64Array') || column.length !== size)
      throw invalid(`columns[${c}]`, 'not one value a task', column, `Float64Array(${size})`);
  });
  const means = columns.map(() => new Float64Array(resamples));
  const drawn = new Int32Array(size);
  for (let b = 0; b < resamples; b++) {
    const stream = random(seed, 'bootstrap', b);
    for (let i = 0; i < size; i++) drawn[i] = stream.below(size);
    columns.forEach((column, c) => (means[c][b] = meanAt(column, drawn)));
  }
  return columns.map((column, c) => {
    const own = column.filter(isDefined);
    // A sample may hold only tasks where the metric is undefined.
    const ends = own.length < 2 ? { low: NaN, high: NaN } : bootstrapEnds(means[c].filter(isDefined), own);
    return { mean: meanOf(own), ...ends, tasks: own.length };
  });
}

const isDefined = (value: number) => !Number.isNaN(value);

function meanAt(values: Float64Array, tasks: Int32Array): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < tasks.length; i++) {
    const value = values[tasks[i]];
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return sum / count;
}
