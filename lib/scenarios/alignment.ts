import { runNative } from '../foundation/addon.js';
import type { FloatArray, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import type { ResultTable } from '../evaluation/result-table.js';
import type { Learner } from '../learner/learner.js';
import { random } from '../foundation/random.js';
import { packTaskSet } from '../batch/task-batch.js';
import { taskGroups } from '../tasks/index.js';
import { checkTaskSet } from '../tasks/check.js';
import { checkLearner } from './scenario.js';
import { ALIGNMENT_OPTIONS } from './options.js';
import type { AlignmentOptions } from './option-types.js';

/** The cosines between meta-gradients of groups of tasks. */
export interface Alignment {
  /** The groups and how many tasks each has. */
  groups: { name: string; tasks: number }[];
  /**
   * `cosine[g][h]` is the cosine between the meta-gradients of one random half of group g and the other half of group h, averaged
   * over both assignments of the halves. As all cosines are between halves, the diagonal shows how much sampling alone reduces a
   * cosine of 1.
   */
  cosine: number[][];
  /** Mean of the diagonal. */
  within: number;
  /** Mean of the cosines off the diagonal. */
  between: number;
  /** The cosines as a table. */
  table: ResultTable;
}

/**
 * Measures whether groups of tasks pull the shared parameters in the same direction, by the cosines of the groups' meta-gradients
 * ∇ mean L_Q(θ_K) (as the conflict of tasks in Yu et al. 2020, PCGrad). If a cosine is below 0, a step for one group makes the other
 * worse.
 *
 * At a minimum over the given tasks all gradients would sum to 0, so that some cosines must be negative. Therefore give tasks that
 * were not trained on, and compare `between` with `within`.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, MISSING_COLUMN, EMPTY_DATA (fewer than two groups), DIVERGED, ABORTED
 */
export async function gradientAlignment(
  learner: Learner,
  tasks: TaskSet,
  options: AlignmentOptions,
): Promise<Alignment> {
  const field = 'alignment';
  const { column, minimum, groups: most, seed, signal } = resolveOptions(options, field, ALIGNMENT_OPTIONS);
  checkLearner(learner);
  checkTaskSet(tasks, 'tasks');
  const { names, group } = taskGroups(tasks, column, `${field}.column`);
  const members = names.map((name, g) => ({
    name,
    tasks: Int32Array.from(tasks.keys.keys()).filter((t) => group[t] === g),
  }));
  const large = members.filter(({ name, tasks: own }) => name !== '' && own.length >= minimum);
  const chosen = large.sort((a, b) => b.tasks.length - a.tasks.length).slice(0, most);
  if (chosen.length < 2) {
    throw new InnerloopError('EMPTY_DATA', `${chosen.length} groups of ${minimum} tasks or more`, {
      field: `${field}.column`,
      value: column,
      expected: 'two groups at least',
    });
  }
  const halves: [FloatArray[], FloatArray[]][] = [];
  for (const [g, { tasks: own }] of chosen.entries()) {
    const order = random(seed, 'alignment', g).shuffle(own.slice());
    const middle = order.length >> 1;
    halves.push([
      await gradientOf(learner, tasks, order.subarray(0, middle), signal),
      await gradientOf(learner, tasks, order.subarray(middle), signal),
    ]);
  }
  const cosine = halves.map((a) => halves.map((b) => (cosineOf(a[0], b[1]) + cosineOf(a[1], b[0])) / 2));
  const within = meanWhere(cosine, (g, h) => g === h);
  const between = meanWhere(cosine, (g, h) => g !== h);
  const table: ResultTable = {
    title: `cosine of meta-gradients by ${column}`,
    columns: chosen.map(({ name }) => ({ metric: name, better: 'higher' })),
    rows: chosen.map(({ name, tasks: own }, g) => ({
      method: name,
      cells: cosine[g].map((mean) => ({ mean, half: null, tasks: own.length })),
    })),
  };
  return {
    groups: chosen.map(({ name, tasks: own }) => ({ name, tasks: own.length })),
    cosine,
    within,
    between,
    table,
  };
}

const CHUNK = 256;

/** Mean meta-gradient of some tasks, by tensor. */
async function gradientOf(
  learner: Learner,
  tasks: TaskSet,
  indices: Int32Array,
  signal: AbortSignal | undefined,
): Promise<FloatArray[]> {
  const { model } = learner;
  let sum: Float64Array[] | undefined;
  for (let from = 0; from < indices.length; from += CHUNK) {
    const to = Math.min(indices.length, from + CHUNK);
    const batch = packTaskSet(model, learner.bind(tasks.dataset), tasks, indices, from, to, {
      rows: learner.rows(tasks.dataset),
    });
    const nameTask = (task: number) => `task ${tasks.keys[indices[from + task]]}`;
    const { gradient } = await runNative(
      signal,
      (token) => model.ops.metaGradient({ ...learner.call(batch), direction: 'metaGradient', token }),
      nameTask,
    );
    sum ??= gradient.map((tensor) => new Float64Array(tensor.length));
    gradient.forEach((tensor, i) => {
      for (let k = 0; k < tensor.length; k++) sum![i][k] += (tensor[k] * (to - from)) / indices.length;
    });
  }
  return sum!;
}

function cosineOf(a: readonly FloatArray[], b: readonly FloatArray[]): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let k = 0; k < a[i].length; k++) {
      dot += a[i][k] * b[i][k];
      aa += a[i][k] ** 2;
      bb += b[i][k] ** 2;
    }
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}

function meanWhere(matrix: number[][], counts: (g: number, h: number) => boolean): number {
  const values = matrix.flatMap((row, g) => row.filter((_, h) => counts(g, h)));
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
