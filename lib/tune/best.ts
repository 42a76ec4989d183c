/** Reads the best settings off the trials of a search. */
import { deviationOf, meanOf } from '../evaluation/bootstrap.js';
import { checkArray, checkOneOf, invalid } from '../foundation/check.js';
import type { Trial } from './tune.js';

/** A setting of the last round, and its mean over the seeds and splits. */
export interface Found {
  /** Number of the setting; 0 is `start`. */
  index: number;
  /** Its values by name. */
  setting: Trial['setting'];
  /** Mean of the validation metric over seeds and splits. */
  value: number;
  /** Standard deviation over seeds and splits; null with one. */
  deviation: number | null;
  /** The number of runs that the mean is over. */
  runs: number;
}

/** Compares two values for a sort that puts the better value first. @internal */
export const better = (way: 'lower' | 'higher', a: number, b: number) => (way === 'lower' ? a - b : b - a);

/**
 * Means of the settings of one round. A setting with a failed run is left out, because its mean would cover fewer runs than those of
 * the others.
 *
 * @internal
 */
export function meanByIndex(trials: readonly Trial[]): Found[] {
  return [...new Set(trials.map(({ index }) => index))].flatMap((index) => {
    const own = trials.filter((trial) => trial.index === index);
    const values = own.flatMap(({ value }) => value ?? []);
    if (values.length < own.length) return [];
    const [value, deviation] = [meanOf(values), deviationOf(values)];
    return [{ index, setting: own[0].setting, value, deviation, runs: values.length }];
  });
}

/**
 * The settings of the last round, the best first.
 * @param trials as {@link tune} yielded them
 * @throws {InnerloopError} INVALID_OPTION if there are no trials, or if every setting of the last round failed
 */
export function rankedSettings(trials: readonly Trial[], way: 'lower' | 'higher' = 'lower'): Found[] {
  checkArray(trials, 'trials', 'trials');
  checkOneOf(way, 'way', ['lower', 'higher']);
  for (const [i, trial] of (trials as readonly (Partial<Trial> | null | undefined)[]).entries())
    if (typeof trial?.rung !== 'number' || typeof trial.index !== 'number')
      throw invalid(`trials[${i}]`, 'not a trial', trial, 'what tune yielded');
  const last = Math.max(...trials.map(({ rung }) => rung));
  const found = meanByIndex(trials.filter(({ rung }) => rung === last));
  if (found.length === 0) throw invalid('trials', 'hold no setting that was measured', trials, 'what tune yielded');
  return found.sort((a, b) => better(way, a.value, b.value) || a.index - b.index);
}

/** The best setting of the last round. @throws {InnerloopError} as {@link rankedSettings} */
export function bestSetting(trials: readonly Trial[], way: 'lower' | 'higher' = 'lower'): Found {
  return rankedSettings(trials, way)[0];
}
