import { checkObject, invalid, unknownName } from '../foundation/check.js';
import { isMade } from '../meta/algorithm.js';
import type { Algorithm } from '../meta/algorithm.js';
import { defineAlgorithm } from '../meta/define-algorithm.js';
import type { AlgorithmSpec } from '../meta/define-algorithm.js';
import { ALGORITHMS } from './registry.js';

type Factory = { (options: object): Algorithm; readonly options: object };
const factoryOf = (name: string): Factory | undefined =>
  Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name as keyof typeof ALGORITHMS] : undefined;

/**
 * Checks that an algorithm is one that a factory or `defineAlgorithm` returned, as it was. A learner is saved with the options of
 * its algorithm, so a copy with other fields would run as one thing and load as another.
 *
 * @throws {InnerloopError} INVALID_OPTION, which says what to write instead of a changed copy
 * @internal
 */
export function checkAlgorithm(algorithm: unknown, field: string): asserts algorithm is Algorithm {
  if (isMade(algorithm)) return;
  const { name, options } = (algorithm ?? {}) as Partial<Algorithm>;
  const factory = typeof name === 'string' ? factoryOf(name) : undefined;
  if (factory === undefined || typeof options !== 'object' || options === null)
    throw invalid(
      field,
      'not an algorithm',
      algorithm,
      'what maml, ridge or another factory returned, or defineAlgorithm',
    );
  const changed = changes(algorithm as Algorithm, factory);
  const written = changed.map((key) => `${key}: ${text((algorithm as Algorithm)[key])}`).join(', ');
  const isOption = changed.length > 0 && changed.every((key) => Object.hasOwn(factory.options, key));
  const instead = [
    `${name}({ ${isOption ? written : '…'} })`,
    ...(isOption ? [] : [`defineAlgorithm({ name: '…', ${written === '' ? '…' : written} })`]),
  ];
  throw invalid(
    field,
    `is a copy of ${name} with other fields, which would not be saved`,
    changed.length === 0 ? algorithm : `{ ${written} }`,
    instead.join(', or '),
  );
}

/** Fields of a copy that differ from those of what its own options make. */
function changes(copy: Algorithm, factory: Factory): (keyof Algorithm)[] {
  try {
    const original = factory(copy.options);
    const keys = [...new Set([...Object.keys(original), ...Object.keys(copy)])] as (keyof Algorithm)[];
    return keys.filter((key) => text(copy[key]) !== text(original[key]));
  } catch {
    return []; // Its options have changed as well, so that no algorithm can be made of them.
  }
}

const text = (value: unknown) => (typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? 'undefined'));

/** Learners that are not their paper's method; `mse`: of ratings alone. What differs stands in their files. */
const ALIKE: Readonly<Record<string, 'always' | 'mse'>> = {
  mamo: 'always',
  mwuf: 'always',
  metaEmb: 'always',
  tanp: 'always',
  protoNets: 'mse',
  lwa: 'mse',
  nlba: 'mse',
};

/** What a learner is called in tables: `mamo-like`, where it is not the method of the paper. @internal */
export function titleOf({ name, isOwn }: Pick<Algorithm, 'name' | 'isOwn'>, loss: string): string {
  const alike = isOwn || !Object.hasOwn(ALIKE, name) ? undefined : ALIKE[name];
  return alike === 'always' || alike === loss ? `${name}-like` : name;
}

/** What a file holds of an algorithm; `graph` says that the rest is a function, which no file holds. */
export interface SavedAlgorithm {
  name: string;
  options: Readonly<Record<string, unknown>>;
  own?: true;
  graph?: true;
}

/** @internal */
export function savedAlgorithm({ name, options, isOwn, graph }: Algorithm): SavedAlgorithm {
  return { name, options, ...(isOwn && { own: true }), ...(graph && { graph: true }) };
}

/**
 * The algorithm of a file.
 *
 * @param given what the caller says it is, needed where the file's has a graph
 * @throws {InnerloopError} UNKNOWN_OPTION, INVALID_OPTION
 * @internal
 */
export function restoredAlgorithm(saved: SavedAlgorithm, given: Algorithm | undefined): Algorithm {
  const { name, options, own, graph } = saved;
  if (given !== undefined) {
    checkAlgorithm(given, 'options.algorithm');
    if (JSON.stringify(savedAlgorithm(given)) !== JSON.stringify(saved))
      throw invalid(
        'options.algorithm',
        'is not that of the file',
        given.name,
        `${name} with the options ${text(options)}`,
      );
    return given;
  }
  if (graph)
    throw invalid(
      'options.algorithm',
      `missing: the graph of ${name} is a function, which no file holds`,
      undefined,
      'what defineAlgorithm returned for the learner',
    );
  if (own) return defineAlgorithm(options as AlgorithmSpec);
  const factory = factoryOf(name);
  if (factory === undefined) throw unknownName('algorithm.name', 'no such algorithm', name, Object.keys(ALGORITHMS));
  checkObject(options, 'algorithm.options', Object.keys(factory.options));
  return factory(options);
}
