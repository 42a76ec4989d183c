/** Runs of several seeds and splits taken together: one value a task, and what seeds and splits do to the mean. */
import { deviationOf } from '../evaluation/bootstrap.js';
import { studentT } from '../evaluation/intervals.js';
import type { MethodRun } from './runs.js';

/** Values of a metric of a method, by task of the set; of several splits by the names of the tasks. */
export interface Pooled {
  values: Float64Array;
  /** Standard deviation of the seeds' means, within splits; null with one seed. */
  seedDeviation: number | null;
  /** Standard deviation of the splits' means over their seeds; null with one split. */
  splitDeviation: number | null;
  /**
   * Half the 95 % interval that the seeds alone would give, 1.96 · deviation / √runs; 0 with one seed, whose spread is not known. Of two
   * seeds the deviation is itself a guess; Student's quantile of one degree of freedom would hide everything else.
   */
  seedHalf: number;
}

export const splitOf = ({ split }: MethodRun): number => split ?? 0;

/** Names of a set's tasks in the order of the pooled values; undefined on one split, where places are enough. */
export function taskNames(runs: readonly MethodRun[], set: string): Map<string, number> | undefined {
  if (new Set(runs.map(splitOf)).size < 2) return undefined;
  const names = new Map<string, number>();
  for (const { tasks } of runs)
    for (const name of tasks?.[set] ?? []) if (!names.has(name)) names.set(name, names.size);
  return names;
}

/**
 * A task's value on a split is the mean over the seeds; a task of several splits counts once, with the mean over them, so that its
 * repeated test is not taken for another task.
 */
export function pool(
  runs: readonly MethodRun[],
  set: string,
  metric: string,
  names: Map<string, number> | undefined,
): Pooled | undefined {
  const own = runs.filter(({ sets }) => sets[set]?.[metric] !== undefined);
  if (own.length === 0) return undefined;
  const splits = [...new Set(own.map(splitOf))];
  const bySplit = splits.map((split) => own.filter((run) => splitOf(run) === split));
  const valuesOf = (run: MethodRun) => run.sets[set][metric];
  const perSplit = bySplit.map((group) =>
    Float64Array.from(
      valuesOf(group[0]),
      (_, t) => group.reduce((sum, run) => sum + (valuesOf(run)[t] ?? NaN), 0) / group.length,
    ),
  );
  const means = bySplit.map((group) => group.map((run) => meanOf(valuesOf(run))));
  let squares = 0;
  let degrees = 0;
  for (const seeds of means) {
    const mean = meanOf(seeds);
    squares += seeds.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    degrees += seeds.length - 1;
  }
  const seedDeviation = degrees === 0 ? null : Math.sqrt(squares / degrees);
  return {
    values: names === undefined ? perSplit[0] : byName(perSplit, bySplit, set, names),
    seedDeviation,
    splitDeviation: deviationOf(means.map(meanOf)),
    seedHalf: seedDeviation === null ? 0 : (studentT(Infinity) * seedDeviation) / Math.sqrt(own.length),
  };
}

function byName(
  perSplit: readonly Float64Array[],
  bySplit: readonly MethodRun[][],
  set: string,
  names: Map<string, number>,
): Float64Array {
  const sums = new Float64Array(names.size);
  const counts = new Float64Array(names.size);
  perSplit.forEach((values, s) =>
    bySplit[s][0].tasks![set].forEach((name, t) => {
      if (Number.isNaN(values[t])) return;
      sums[names.get(name)!] += values[t];
      counts[names.get(name)!]++;
    }),
  );
  return sums.map((sum, i) => (counts[i] === 0 ? NaN : sum / counts[i]));
}

/** Half the interval that seeds alone give a difference: of independent runs, both spreads; of one that draws nothing, its own is 0. */
export const bothHalves = (own: Pooled, reference: Pooled): number => Math.hypot(own.seedHalf, reference.seedHalf);

export function meanOf(values: readonly (number | null)[]): number {
  const defined = values.filter((value) => value !== null);
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
