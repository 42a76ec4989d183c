/** The learners of a configuration for `innerloop compare` and `innerloop scenario`: each a configuration of its own, the rest of the file with its changes. */
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { titleOf } from '../algorithms/check.js';
import { checkMetrics, lossSpec } from './config-metrics.js';
import { parseConfig, placed } from './config.js';
import { readJson } from './json.js';
import type { Config } from './config.js';
import { memberConfigs } from './ensemble.js';
import { merged } from './merged.js';
import { PROTOCOLS } from './protocols.js';
import type { ProtocolName, RawConfig } from './protocols.js';
import { renamed } from './named.js';

export interface NamedLearner {
  name: string;
  /** What the files of its results are called: the name in letters, digits and hyphens, + as plus. */
  file: string;
  config: Config;
}
export interface ComparisonConfig {
  base: Config;
  learners: NamedLearner[];
  /** Seeds of the learners; the split keeps that of `base`. */
  seeds: number[];
  /** The configuration as it was written, without its learners, their seeds and what is the file's own. */
  raw: Readonly<Record<string, unknown>>;
}

/**
 * Reads a configuration with learners.
 * @param protocol puts its split, tasks and metrics in place of the file's
 * @throws {InnerloopError} MISSING_FILE, IO; INVALID_OPTION, UNKNOWN_OPTION with the path of the option, in a learner too
 */
export async function readComparison(path: string, protocol?: ProtocolName): Promise<ComparisonConfig> {
  const comparison = await readLearners(path, protocol);
  if (comparison.base.learners === undefined)
    throw invalid('learners', 'missing', undefined, 'a list of { name, algorithm, … }');
  return comparison;
}

/** Reads any configuration as a comparison: without `learners` it has one, called as its algorithm. */
export async function readLearners(path: string, protocol?: ProtocolName): Promise<ComparisonConfig> {
  const written = await readJson(path, 'a configuration file');
  // What is wrong with the file is said of the file, and not of what the protocol makes of it.
  if (protocol !== undefined) parseConfig(written);
  const value = protocol === undefined ? written : PROTOCOLS[protocol].apply(written as RawConfig);
  const base = placed(parseConfig(value), path);
  // Where a configuration has learners, theirs count, because each may have another loss.
  if (base.learners === undefined) checkMetrics(base);
  const {
    learners = [{ name: titleOf(base.algorithm, lossSpec(base.model.loss).loss) }],
    seeds = [base.seed],
    ...rest
  } = value as Config;
  if (new Set(seeds).size < seeds.length) throw invalid('seeds', 'one of them twice', seeds, 'different seeds');
  // Merged before defaults are filled in, so that a default never stands above an option of the file.
  const named = learners.map(({ name, ...changes }, i) => {
    const config = renamed(/^/, `learners[${i}].`, () => {
      const own = parseConfig(merged(rest, changes));
      if (base.learners !== undefined) checkMetrics(own);
      memberConfigs(own);
      return own;
    });
    return { name, file: fileNameOf(name, i), config: placed(config, path) };
  });
  named.forEach(({ file, name }, i) => {
    const same = named.findIndex((other) => other.file === file);
    if (same < i)
      throw invalid(
        `learners[${i}].name`,
        `as that of learners[${same}] in letters and digits`,
        name,
        'different names',
      );
  });
  return { base, learners: named, seeds, raw: rest };
}

/** Gives the learners that are named. @throws {InnerloopError} UNKNOWN_OPTION */
export function chooseLearners(learners: readonly NamedLearner[], only: readonly string[]): NamedLearner[] {
  const known = learners.map(({ name }) => name);
  for (const name of only) {
    if (!learners.some((learner) => isCalled(learner, name))) {
      throw new InnerloopError('UNKNOWN_OPTION', 'no such learner', {
        field: '--only',
        value: name,
        expected: `one of ${known.join('; ')}`,
      });
    }
  }
  return learners.filter((learner) => only.some((name) => isCalled(learner, name)));
}

/** A name may hold commas; its file name is what a command line takes without quotes. */
const isCalled = ({ name, file }: NamedLearner, wanted: string) => name === wanted || file === wanted;

function fileNameOf(name: string, i: number): string {
  const file = name
    .toLowerCase()
    .replaceAll('+', ' plus ')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '');
  if (file === '') throw invalid(`learners[${i}].name`, 'without a letter or digit', name, 'a name');
  return file;
}
