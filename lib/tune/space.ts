/** Draws settings from the ranges of a search space. */
import { invalid } from '../foundation/check.js';
import type { SearchRange, SearchSpace } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';

/** A value for each name of a space, as plain JSON; null leaves the option out. */
export type Setting = Readonly<Record<string, unknown>>;

/** Significant digits of a drawn number, few enough that the setting can be written down exactly. */
const DIGITS = 3;

/** Draws setting `index` of a search. A name's value depends only on seed, index and the name's own range. @internal */
export function drawSetting(space: SearchSpace, seed: number, index: number): Setting {
  const stream = random(seed, 'tune', index);
  return Object.fromEntries(Object.entries(space).map(([name, range]) => [name, draw(range, stream.child(name))]));
}

function draw(range: SearchRange, stream: Random): unknown {
  if ('of' in range) return structuredClone(range.of[stream.below(range.of.length)]);
  const share = stream.uniform();
  const [low, high] = 'log' in range ? range.log : range.even;
  const value = 'log' in range ? low * (high / low) ** share : low + (high - low) * share;
  return Math.min(high, Math.max(low, Number(value.toPrecision(DIGITS))));
}

/** Checks a search space. @throws {InnerloopError} INVALID_OPTION naming the range @internal */
export function checkSpace(space: unknown, field: string): asserts space is SearchSpace {
  if (typeof space !== 'object' || space === null || Array.isArray(space))
    throw invalid(field, 'not a space', space, 'ranges by name, such as { learningRate: { log: [0.01, 0.5] } }');
  for (const [name, range] of Object.entries(space)) checkRange(range, `${field}.${name}`);
}

function checkRange(range: unknown, field: string): void {
  const expected = '{ log: [low, high] }, { even: [low, high] } or { of: [values] }';
  const keys = typeof range === 'object' && range !== null ? Object.keys(range) : [];
  if (keys.length !== 1) throw invalid(field, 'not a range', range, expected);
  const [kind] = keys;
  const value = (range as Record<string, unknown>)[kind];
  if (!Array.isArray(value)) throw invalid(field, 'not a range', range, expected);
  if (kind === 'of') {
    if (value.length === 0) throw invalid(`${field}.of`, 'empty', value, 'at least one value');
    return;
  }
  if (kind !== 'log' && kind !== 'even') throw invalid(field, 'not a range', range, expected);
  const [low, high] = value as unknown[];
  const isPair = value.length === 2 && typeof low === 'number' && typeof high === 'number' && low <= high;
  if (!isPair || !Number.isFinite(high - low))
    throw invalid(`${field}.${kind}`, 'not two ascending numbers', value, expected);
  if (kind === 'log' && low <= 0) throw invalid(`${field}.log`, 'has no logarithm', value, 'numbers > 0');
}
