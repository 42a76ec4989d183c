import { valuesOf } from './intervals.js';
import { invalid, checkArray, checkString } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import { GROUP_OPTIONS } from './analysis-options.js';
import type { GroupOptions, ResampleOptions } from './analysis-option-types.js';
import { bootstrapEnds, bootstrapMeans, defined, endsOf, meanOf } from './bootstrap.js';
import type { Interval, PerTask } from './intervals.js';

export type { GroupOptions };

/** The mean of a metric over the tasks of one group, with its interval. */
export interface GroupInterval extends Interval {
  /** The group's name. */
  group: string;
}
/** The distance between the groups with the highest and the lowest mean, with its interval. */
export interface Gap extends Interval {
  /** The group with the highest mean; `mean` is its distance from the lowest. */
  highest: string;
  /** The group with the lowest mean. */
  lowest: string;
  /** The p-value of the permutation test of "no group differs": the share of random regroupings with a gap at least as wide. */
  p: number;
}
/** A metric by groups, and the gap between them. */
export interface GroupComparison {
  /** The mean of each group with its bootstrap interval (NaN with fewer than `minimum` tasks), in order of first appearance. */
  groups: GroupInterval[];
  /** Undefined unless two groups have `minimum` tasks. */
  gap: Gap | undefined;
}

/**
 * Compares a metric between groups of tasks (of users): the mean of each group, and the gap between the groups with the highest and
 * the lowest mean, max_g m_g − min_g m_g (Ekstrand et al. 2018 report metrics by group; the gap is their largest difference).
 *
 * Intervals are BCa bootstraps over the tasks of each group. As the pair is chosen by its means, the gap's interval is too high with
 * many small groups; `p` is a permutation test of the same statistic, which is valid for any number of groups.
 *
 * @param values the metric of each task, NaN where undefined
 * @param groups the name of each task's group
 * @throws INVALID_OPTION if the two differ in length
 */
export function compareGroups(values: PerTask, groups: readonly string[], options: GroupOptions = {}): GroupComparison {
  const { minimum, ...settings } = resolveOptions(options, 'groups', GROUP_OPTIONS);
  const all = valuesOf(values, 'values');
  checkNames(groups, 'groups');
  if (groups.length !== all.length)
    throw invalid('groups', 'not one group a task', groups.length, `${all.length} names`);
  const names = [...new Set(groups)];
  const parts = names.map((name) => defined(all.filter((_, t) => groups[t] === name)));
  const draws = parts.map((part, g) =>
    part.length < minimum ? undefined : bootstrapMeans(part, settings, `group ${names[g]}`),
  );
  const intervals = names.map((group, g): GroupInterval => {
    const ends = draws[g] === undefined ? { low: NaN, high: NaN } : bootstrapEnds(draws[g], parts[g]);
    return { group, mean: meanOf(parts[g]), ...ends, tasks: parts[g].length };
  });
  const compared = names.flatMap((_, g) => (parts[g].length >= minimum ? [g] : []));
  if (compared.length < 2) return { groups: intervals, gap: undefined };

  const means = compared.map((g) => intervals[g].mean);
  const best = compared[means.indexOf(Math.max(...means))];
  const worst = compared[means.indexOf(Math.min(...means))];
  const gaps = draws[best]!.map((draw, b) => draw - draws[worst]![b]);
  const mean = intervals[best].mean - intervals[worst].mean;
  return {
    groups: intervals,
    gap: {
      highest: names[best],
      lowest: names[worst],
      mean,
      ...endsOf(gaps, mean, Math.min(parts[best].length, parts[worst].length)),
      tasks: parts[best].length + parts[worst].length,
      p: permutationTest(
        compared.map((g) => parts[g]),
        mean,
        settings,
      ),
    },
  };
}

function checkNames(names: unknown, field: string): void {
  checkArray(names, field, 'names');
  for (const [t, name] of names.entries()) checkString(name, `${field}[${t}]`);
}

/** Share of regroupings into the same sizes whose largest difference of means is at least `observed`. */
function permutationTest(
  parts: readonly Float64Array[],
  observed: number,
  { resamples, seed }: Required<ResampleOptions>,
): number {
  const values = Float64Array.from(parts.flatMap((part) => [...part]));
  const order = Int32Array.from(values, (_, i) => i);
  let extreme = 1;
  for (let r = 0; r < resamples; r++) {
    random(seed, 'group permutation', r).shuffle(order);
    let at = 0;
    let [low, high] = [Infinity, -Infinity];
    for (const { length } of parts) {
      let sum = 0;
      for (const end = at + length; at < end; at++) sum += values[order[at]];
      [low, high] = [Math.min(low, sum / length), Math.max(high, sum / length)];
    }
    if (high - low >= observed * (1 - 1e-12)) extreme++;
  }
  return extreme / (resamples + 1);
}

/**
 * The group of each task, from a list of names or from a categorical feature of the users.
 * @throws MISSING_COLUMN; INVALID_OPTION for a column that is not categorical, or a list of another length
 */
export function groupsOf(
  tasks: Pick<TaskSet, 'dataset' | 'size' | 'users'>,
  groups: string | readonly string[],
  field: string,
): readonly string[] {
  if (typeof groups !== 'string') {
    const given: unknown = groups;
    if (!Array.isArray(given) || groups.length !== tasks.size || groups.some((name) => typeof name !== 'string')) {
      throw invalid(field, 'not one name a task', groups, `the name of a user feature, or ${tasks.size} names`);
    }
    return groups;
  }
  const { columns } = tasks.dataset.users;
  const column = columns.find(({ name }) => name === groups);
  if (column === undefined) {
    const names = columns.map(({ name }) => name);
    throw new InnerloopError('MISSING_COLUMN', suggesting('no such user feature', groups, names), {
      field,
      value: groups,
      expected: names.length === 0 ? 'a table of users' : `one of ${names.join(', ')}`,
    });
  }
  if (column.kind !== 'categorical')
    throw invalid(field, `is a ${column.kind} feature`, groups, 'a categorical feature of the users');
  return Array.from(tasks.users, (user) => column.vocabulary.values[column.data[user]] || 'unknown');
}
