/** Features of interactions on a command line. */
import { contextNames } from '../batch/given-features.js';
import type { FeatureValues } from '../batch/given-features.js';
import { invalid, unknownName } from '../foundation/check.js';
import type { Learner } from '../learner/learner.js';

/** Numbers as people write them; `0x10` and `Infinity` are none. */
export const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Says that all features of interactions are those that training takes where nothing is told. */
const DEFAULTS = 'default';

/**
 * Features of interactions as `name=value`: a number of a dense column, a text of a categorical one, texts with commas between them
 * of a bag. What is left out is the default of training.
 *
 * @returns undefined where nothing is told and the model reads none
 */
export function readContext(texts: readonly string[] | undefined, learner: Learner): FeatureValues | undefined {
  const catalog = learner.servedCatalog();
  const needed = contextNames(learner.bind(catalog));
  if (texts === undefined) {
    if (needed.length === 0) return undefined;
    const expected = `--context ${needed[0]}=…, or --context ${DEFAULTS} for what training takes where nothing is told`;
    throw invalid('--context', `missing: the model reads ${needed.join(', ')} of interactions`, undefined, expected);
  }
  const told = catalog.context.columns.filter(({ kind }) => kind !== 'sequence');
  const context: Record<string, FeatureValues[string]> = {};
  for (const text of texts.filter((each) => each !== DEFAULTS)) {
    const at = text.indexOf('=');
    const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    const known = told.map((column) => column.name);
    if (at <= 0)
      throw invalid(
        '--context',
        'not a feature of interactions',
        text,
        `name=value of ${known.join(', ')}; or ${DEFAULTS}`,
      );
    const column = told.find((each) => each.name === name);
    if (column === undefined) throw unknownName('--context', 'no such feature of interactions', name, known);
    const parts = column.kind === 'categorical' ? [value] : value.split(',').map((part) => part.trim());
    const numbers = parts.map(Number);
    if (column.kind === 'dense' && !parts.every((part) => DECIMAL.test(part)))
      throw invalid(
        '--context',
        'not a number',
        text,
        column.size === 1 ? `${name}=3.5, say` : `${column.size} numbers`,
      );
    context[name] = column.kind === 'dense' ? numbers : column.kind === 'bag' ? parts : value;
  }
  return context;
}
