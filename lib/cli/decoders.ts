/** Median decoders of every method for every reported set, fitted on validation tasks (before a refit takes their rows). */
import type { Baseline } from '../baselines/index.js';
import type { TaskSet } from '../contract.js';
import { decodedMethod, evaluate } from '../evaluation.js';
import type { Evaluation, MethodEvaluation } from '../evaluation.js';
import { fitMedianDecoder, medianDecoder } from '../evaluation/median-decode.js';
import { queryLabels } from '../evaluation/metrics.js';
import { resultTable } from '../evaluation/table.js';
import type { Learner } from '../learner.js';
import { reportedSets } from './pipeline.js';
import type { Prepared } from './pipeline.js';

interface Stored {
  levels: number[];
  thresholds: number[];
}
/** By reported set, then by method. */
type BySet = Record<string, Record<string, Stored>>;

export class Decoders {
  readonly #bySet: BySet;

  constructor(bySet: BySet) {
    this.#bySet = bySet;
  }

  /** @param learner and baselines, not trained on the validation tasks */
  static async fit(prepared: Prepared, learner: Learner, baselines: Baseline[], signal: AbortSignal): Promise<Decoders> {
    const rated = baselines.filter(({ scores }) => scores === 'label');
    const fitted = new Map<TaskSet, Record<string, Stored>>();
    const bySet: BySet = {};
    for (const name of reportedSets(prepared)) {
      const tasks = calibrationTasks(prepared, name);
      if (!fitted.has(tasks)) fitted.set(tasks, await fitAll(learner, rated, tasks, signal));
      bySet[name] = fitted.get(tasks)!;
    }
    return new Decoders(bySet);
  }

  toJSON(): BySet {
    return this.#bySet;
  }

  /** The results with, after each method, its decoded ratings' MAE. */
  extend({ methods, table }: Evaluation, set: string, tasks: TaskSet): Evaluation {
    const extended = methods.flatMap((result): MethodEvaluation[] => {
      const stored = this.#bySet[set]?.[result.method];
      if (stored === undefined) return [result];
      return [result, decodedMethod(result, medianDecoder(stored.levels, stored.thresholds), tasks)];
    });
    return { methods: extended, table: resultTable(extended, table.title) };
  }
}

/** Validation tasks of the same kind where there are some: known items are another problem than unknown ones. */
function calibrationTasks({ split, validation }: Prepared, set: string): TaskSet {
  const twin = set === 'warm' ? 'validationUserCold' : `validation${set[0]!.toUpperCase()}${set.slice(1)}`;
  return split.sets[twin] ?? validation!;
}

async function fitAll(learner: Learner, baselines: Baseline[], tasks: TaskSet, signal: AbortSignal): Promise<Record<string, Stored>> {
  const { methods } = await evaluate(learner, tasks, { metrics: ['mae'], baselines, signal });
  const labels = queryLabels(tasks);
  const byMethod: Record<string, Stored> = {};
  for (const { method, scores } of methods) {
    const { levels, thresholds } = fitMedianDecoder(scores, labels);
    byMethod[method] = { levels, thresholds };
  }
  return byMethod;
}
