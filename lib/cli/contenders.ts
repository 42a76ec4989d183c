/** What stands against what in `compare` and `tune`: the learners of a configuration, and its baselines. */
import { titleOf } from '../algorithms/check.js';
import { defaultBaselines } from '../baselines/fit.js';
import type { BaselineName } from '../baselines/options.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import type { Config } from './config.js';
import { lossSpec } from './config-metrics.js';
import type { NamedLearner } from './learners.js';
import { validationMetric } from './pipeline.js';

export interface Contender extends NamedLearner {
  /** Name of the baseline, where it is one; `config` is then the configuration itself with this baseline alone. */
  baseline: BaselineName | undefined;
}

/** Learners in the order of the file, then baselines. */
export function contendersOf(base: Config, learners: readonly NamedLearner[], dataset: Dataset): Contender[] {
  const { baselines, baselineOptions = {} } = base.evaluation;
  const names = baselines === true ? defaultBaselines(dataset) : baselines === false ? [] : baselines;
  return [
    ...learners.map((learner) => ({ ...learner, baseline: undefined })),
    ...names.map((name): Contender => {
      const own = baselineOptions[name as keyof typeof baselineOptions];
      const evaluation = { ...base.evaluation, baselines: [name], baselineOptions: own && { [name]: own } };
      return { name, file: `baseline.${name}`, config: { ...base, evaluation }, baseline: name };
    }),
  ];
}

/** A sentence where learners that are only like their paper's method are not called so. */
export function likenessNotes(runs: readonly { method: string; config: Config; baseline?: BaselineName }[]): string[] {
  const bare = runs.filter(({ method, config: { algorithm, model, ensemble }, baseline }) => {
    const isAlike = titleOf(algorithm, lossSpec(model.loss).loss) !== algorithm.name;
    return baseline === undefined && ensemble === undefined && isAlike && !/like/i.test(method);
  });
  const names = [...new Set(bare.map(({ method, config }) => `${method} (${config.algorithm.name})`))];
  return names.length === 0
    ? []
    : [
        `Like the method of its paper, and not that method itself: ${names.join(', ')}; the guide on learners says what differs.`,
      ];
}

/** The seed of the split where none is named. */
export const splitSeedOf = ({ split, seed }: Config): number => split.seed ?? seed;

/** So many different seeds: those that are listed, and then the ones that follow. */
export function seedsFrom(listed: readonly number[], count: number | undefined): number[] {
  const seeds = [...listed];
  while (seeds.length < (count ?? listed.length)) seeds.push(Math.max(...seeds) + 1);
  return seeds.slice(0, count);
}

/** Seeds of so many splits. */
export const splitsFrom = (base: Config, count: number): number[] =>
  Array.from({ length: count }, (_, k) => splitSeedOf(base) + k);

/** A configuration as one run has it. @param base says how many threads there are */
export function runConfig(config: Config, base: Config, seed: number, split: number): Config {
  return {
    ...config,
    seed,
    split: { ...config.split, seed: split },
    threads: base.threads,
    learners: undefined,
    seeds: undefined,
    scenarios: undefined,
    tune: undefined,
    output: undefined,
  };
}

/** What the best learner is chosen by: the metric that all their epochs are chosen by, or else that of the configuration itself. */
export function choosingMetric(base: Config, learners: readonly NamedLearner[], tasks: TaskSet): string {
  const metrics = new Set(learners.map(({ config }) => validationMetric(config, tasks)));
  return metrics.size === 1 ? [...metrics][0] : validationMetric(base, tasks);
}
