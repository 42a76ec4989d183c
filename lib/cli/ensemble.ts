/** Ensembles of a configuration: `ensemble` lists members, each what differs from the rest of the file. */
import { InnerloopError } from '../foundation/errors.js';
import { parseConfig } from './config.js';
import type { Config } from './config.js';
import { merged } from './merged.js';
import { renamed } from './named.js';

/**
 * The configuration of each member, with a seed of its own: k members of run s have the seeds k s, k s + 1 …, so that no two runs
 * share one. A configuration without `ensemble` is its one member.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION with the path of the option in its member
 */
export function memberConfigs(config: Config): Config[] {
  const { ensemble, ...rest } = config;
  if (ensemble === undefined) return [config];
  return ensemble.map((changes, k) =>
    renamed(/^/, `ensemble[${k}].`, () => ({
      ...parseConfig(merged(rest, changes)),
      seed: config.seed * ensemble.length + k,
      // The split is that of the run.
      split: { ...config.split, seed: config.split.seed ?? config.seed },
    })),
  );
}

/** @throws {InnerloopError} UNSUPPORTED for what takes one learner */
export function refuseEnsemble({ ensemble }: Config, what: string): void {
  if (ensemble === undefined) return;
  throw new InnerloopError('UNSUPPORTED', `${what} takes one learner`, {
    field: 'ensemble',
    value: `${ensemble.length} members`,
    expected: 'a configuration without ensemble: each member by itself',
  });
}
