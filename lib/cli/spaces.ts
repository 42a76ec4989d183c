/** What `innerloop tune` searches for a learner or a baseline of a configuration: the ranges that their options declare, by path. */
import { ALGORITHMS } from '../algorithms/registry.js';
import type { AlgorithmName } from '../algorithms/registry.js';
import { OPTIONS_OF } from '../baselines/options.js';
import type { BaselineName } from '../baselines/options.js';
import { ROW_OPTIONS } from '../batch/row-rules.js';
import { searchSpaceOf } from '../foundation/options.js';
import type { SearchSpace } from '../foundation/options.js';
import { OPTIMIZER_OPTIONS, standardOptimizer } from '../meta/outer-update.js';
import type { Optimizer } from '../meta/outer-update.js';
import { BODIES } from '../model/bodies/index.js';
import { lossOf } from '../model/losses.js';
import { TRAIN_OPTIONS } from '../training/options.js';
import type { Setting } from '../tune/space.js';
import type { Config } from './config.js';
import { lossSpec } from './config-metrics.js';

const at = (path: string, space: SearchSpace): SearchSpace =>
  Object.fromEntries(Object.entries(space).map(([name, range]) => [`${path}.${name}`, range]));

const standardOptimizerOf = ({ algorithm }: Config): Optimizer =>
  standardOptimizer(ALGORITHMS[algorithm.name as AlgorithmName]({}));

/** What an optimizer that the configuration leaves out is, before options of it are put in. */
function startOf(config: Config): Pick<Optimizer, 'name' | 'schedule'> {
  const { name, schedule } = standardOptimizerOf(config);
  return { name, schedule };
}

/** @param isPrescribed whether the data says what is support and what is query, so that no sizes are drawn */
export function learnerSpace(config: Config, isPrescribed: boolean): SearchSpace {
  const { algorithm, optimizer, model, training } = config;
  // Its members are searched by themselves.
  if (config.ensemble !== undefined) return {};
  const { body } = model;
  const isRedrawn = training.redraw ?? !isPrescribed;
  const { supportSize, ...trained } = searchSpaceOf(TRAIN_OPTIONS);
  const own: SearchSpace = {
    ...at('algorithm', searchSpaceOf(ALGORITHMS[algorithm.name as AlgorithmName].options)),
    ...at('optimizer', searchSpaceOf(OPTIMIZER_OPTIONS[(optimizer ?? standardOptimizerOf(config)).name])),
    ...(body === undefined
      ? at('model', searchSpaceOf(BODIES.mlp.options))
      : at('model.body', searchSpaceOf(BODIES[body.kind as keyof typeof BODIES].options))),
    ...(lossOf(lossSpec(model.loss)).isCentred && at('rows', searchSpaceOf(ROW_OPTIONS))),
    ...at('training', isRedrawn ? { ...trained, supportSize } : trained),
  };
  return changed(own, config);
}

export function baselineSpace(name: BaselineName, config: Config): SearchSpace {
  return changed(at(`evaluation.baselineOptions.${name}`, searchSpaceOf(OPTIONS_OF[name])), config);
}

/** The ranges that the configuration puts in place of those that are declared; false leaves an option as it is. */
function changed(space: SearchSpace, { tune }: Config): SearchSpace {
  const result: Record<string, SearchSpace[string]> = { ...space };
  for (const [path, range] of Object.entries(tune?.space ?? {})) {
    if (range === false) delete result[path];
    else if (path in result) result[path] = range;
  }
  return result;
}

/** Every path that some learner or baseline can be searched along. */
export function knownPaths(spaces: readonly SearchSpace[]): string[] {
  return [...new Set(spaces.flatMap((space) => Object.keys(space)))].sort();
}

/** The configuration with a setting in it; null takes an option out. */
export function withSetting(config: Config, setting: Setting): Config {
  const result = structuredClone(config);
  for (const [path, value] of Object.entries(setting)) {
    const names = path.split('.');
    const last = names.pop()!;
    let owner = result as unknown as Record<string, unknown>;
    for (const name of names) owner = (owner[name] ??= name === 'optimizer' ? startOf(config) : {}) as typeof owner;
    if (value === null) delete owner[last];
    else owner[last] = structuredClone(value);
  }
  return result;
}
