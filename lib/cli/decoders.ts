/** Median decoders of every method, fitted before a refit takes the validation rows. */
import type { Baseline } from '../baselines/index.js';
import type { TaskSet } from '../contract.js';
import type { Evaluation, MethodEvaluation } from '../evaluation.js';
import { fitMedianDecoder, medianDecoder } from '../evaluation/median-decode.js';
import { evaluateScores, queryLabels } from '../evaluation/metrics.js';
import { resultTable } from '../evaluation/table.js';
import type { Learner } from '../learner.js';
import { evaluate } from '../evaluation.js';

interface Stored {
  levels: number[];
  thresholds: number[];
}

export class Decoders {
  readonly #byMethod: Record<string, Stored>;

  constructor(byMethod: Record<string, Stored>) {
    this.#byMethod = byMethod;
  }

  /** @param tasks that neither the learner nor the baselines were trained on */
  static async fit(learner: Learner, baselines: Baseline[], tasks: TaskSet, signal: AbortSignal): Promise<Decoders> {
    const { methods } = await evaluate(learner, tasks, { metrics: ['mae'], baselines: baselines.filter(({ scores }) => scores === 'label'), signal });
    const labels = queryLabels(tasks);
    const byMethod: Record<string, Stored> = {};
    for (const { method, scores } of methods) {
      const { levels, thresholds } = fitMedianDecoder(scores, labels);
      byMethod[method] = { levels, thresholds };
    }
    return new Decoders(byMethod);
  }

  toJSON(): Record<string, Stored> {
    return this.#byMethod;
  }

  /** The results with, after each method, its decoded ratings' MAE. */
  extend({ methods, table }: Evaluation, tasks: TaskSet): Evaluation {
    const extended = methods.flatMap((result): MethodEvaluation[] => {
      const stored = this.#byMethod[result.method];
      if (stored === undefined) return [result];
      const scores = medianDecoder(stored.levels, stored.thresholds).decode(result.scores);
      return [result, { method: `${result.method}, median`, scores, metrics: evaluateScores(tasks, scores, { metrics: ['mae'] }) }];
    });
    return { methods: extended, table: resultTable(extended, table.title) };
  }
}
