/** Median decoders of every method for every reported set, fitted on validation tasks (before a refit takes their rows). */
import type { TaskSet } from '../foundation/contract.js';
import { decodedMethod } from '../evaluation/evaluate.js';
import type { Evaluation, MethodEvaluation } from '../evaluation/evaluate.js';
import { fitMedianDecoder, medianDecoder } from '../evaluation/median-decode.js';
import { queryLabels } from '../evaluation/metrics.js';
import { resultTable } from '../evaluation/result-table.js';
import { reportedSets, wholeSet } from './pipeline.js';
import type { Prepared } from './pipeline.js';

interface Stored {
  levels: number[];
  thresholds: number[];
}
type Scored = Pick<MethodEvaluation, 'method' | 'scores'>;
/** Decoded scores by reported set, then by method. */
type BySet = Record<string, Record<string, Stored>>;

export class Decoders {
  readonly #bySet: BySet;

  constructor(bySet: BySet) {
    this.#bySet = bySet;
  }

  /** @param score methods that were not trained on the validation tasks, by their ratings of a set's query rows */
  static async fit(prepared: Prepared, score: (tasks: TaskSet) => Promise<Scored[]>): Promise<Decoders> {
    const fitted = new Map<TaskSet, Record<string, Stored>>();
    const bySet: BySet = {};
    for (const name of reportedSets(prepared)) {
      const tasks = calibrationTasks(prepared, name);
      if (!fitted.has(tasks)) fitted.set(tasks, fitAll(await score(tasks), tasks));
      bySet[name] = fitted.get(tasks)!;
    }
    return new Decoders(bySet);
  }

  toJSON(): BySet {
    return this.#bySet;
  }

  extend({ methods, table }: Evaluation, set: string, tasks: TaskSet): Evaluation {
    const extended = this.decode(methods, set, tasks);
    return { methods: extended, table: resultTable(extended, table.title) };
  }

  /** The results with, after each method that has a decoder, its decoded ratings' MAE. */
  decode(methods: readonly MethodEvaluation[], set: string, tasks: TaskSet): MethodEvaluation[] {
    return methods.flatMap((result): MethodEvaluation[] => {
      const stored = this.#bySet[set]?.[result.method];
      if (stored === undefined) return [result];
      return [result, decodedMethod(result, medianDecoder(stored.levels, stored.thresholds), tasks)];
    });
  }
}

/** Validation tasks of the same kind where there are some: known items are another problem than unknown ones. */
function calibrationTasks({ split, validation }: Prepared, set: string): TaskSet {
  const whole = wholeSet(set);
  const twin = whole === 'warm' ? 'validationUserCold' : `validation${whole[0].toUpperCase()}${whole.slice(1)}`;
  return split.sets[twin] ?? validation!;
}

function fitAll(methods: Scored[], tasks: TaskSet): Record<string, Stored> {
  const labels = queryLabels(tasks);
  const byMethod: Record<string, Stored> = {};
  for (const { method, scores } of methods) {
    const { levels, thresholds } = fitMedianDecoder(scores, labels);
    byMethod[method] = { levels, thresholds };
  }
  return byMethod;
}
