/** A/B experiments: the assignment of people to variants, the options that a variant changes, and the results. */
import { createHash } from 'node:crypto';
import { checkArray, checkNumber, checkObject, checkString, invalid } from '../../foundation/check.js';
import type { Statement } from '../state/database.js';
import type { RowTable } from '../state/row-texts.js';
import type { Interaction, RecommendationRecord, State } from '../state/state.js';
import { sequentialTest } from './sequential.js';
import type { SequentialResult } from './sequential.js';

/** One arm of an experiment. */
export interface Variant {
  /** The variant's name. */
  name: string;
  /** The share of all people who are in this variant, in (0, 1]. */
  share: number;
  /** Options of recommendations that replace the service's defaults; options of a request override them. */
  options: Readonly<Record<string, unknown>>;
}
/** An experiment: variants that people are divided between. */
export interface Experiment {
  /** The experiment's name. */
  name: string;
  /** The variants; the first is the control that the others are compared with. */
  variants: readonly Variant[];
  /** The smallest value of an interaction that counts as a conversion; undefined: every interaction does. */
  successFrom: number | undefined;
}

/** What came of a variant so far. */
export interface VariantResult {
  /** The variant's name. */
  variant: string;
  /** People who were given a recommendation. */
  people: number;
  /** Those of them with a conversion after it. */
  converted: number;
  /** converted / people; 0 without people. */
  rate: number;
  /** The comparison with the first variant; undefined for the first itself. */
  comparison: SequentialResult | undefined;
}

/** The options that a variant may set. */
const VARIANT_OPTIONS = ['diversity', 'explore', 'minSupport', 'boost', 'fallback'] as const;

/** Checks a list of experiments. @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, with the field that is wrong */
export function readExperiments(given: unknown): Experiment[] {
  checkArray(given, 'experiments', 'experiments');
  const experiments = given.map((each, e): Experiment => {
    const field = `experiments[${e}]`;
    checkObject(each, field, ['name', 'variants', 'successFrom']);
    const { name, variants, successFrom } = each;
    checkString(name, `${field}.name`);
    checkArray(variants, `${field}.variants`, 'variants');
    if (successFrom !== undefined) checkNumber(successFrom, `${field}.successFrom`);
    const read = variants.map((variant, v): Variant => {
      const at = `${field}.variants[${v}]`;
      checkObject(variant, at, ['name', 'share', 'options']);
      const { options = {}, share = 1 / variants.length } = variant;
      checkString(variant['name'], `${at}.name`);
      checkNumber(share, `${at}.share`, 0, 1, true);
      checkObject(options, `${at}.options`, VARIANT_OPTIONS);
      return { name: variant['name'], share, options };
    });
    if (read.length < 2) throw invalid(`${field}.variants`, 'nothing to compare', variants, 'at least two variants');
    const sum = read.reduce((total, { share }) => total + share, 0);
    if (Math.abs(sum - 1) > 1e-9)
      throw invalid(`${field}.variants`, 'the shares do not add up', sum, 'shares of sum 1');
    unique(read, `${field}.variants`);
    return { name, variants: read, successFrom };
  });
  unique(experiments, 'experiments');
  return experiments;
}

function unique(named: readonly { name: string }[], field: string): void {
  named.forEach(({ name }, i) => {
    if (named.findIndex((other) => other.name === name) < i)
      throw invalid(`${field}[${i}].name`, 'used twice', name, 'a name of its own for each');
  });
}

/** The variant of a person, from a hash: the same at any time and in any process, and independent between experiments. */
export function variantOf({ name, variants }: Experiment, person: string): Variant {
  const digest = createHash('sha256')
    .update(JSON.stringify([name, person]))
    .digest();
  let at = digest.readUIntBE(0, 6) / 2 ** 48;
  for (const variant of variants) {
    if (at < variant.share) return variant;
    at -= variant.share;
  }
  return variants[variants.length - 1];
}

/** The table of outcomes, of which lists write the first time that a person was given one of a variant. */
export const EXPOSURES: RowTable = {
  name: 'outcomes',
  columns: { experiment: 'TEXT', person: 'TEXT', variant: 'TEXT', exposed: 'BIGINT' },
  onConflict: 'ON CONFLICT (experiment, person) DO NOTHING',
};

/** The rows of `EXPOSURES` for a list. */
export function textsOfExposures({ user, variants, time }: RecommendationRecord): string[] {
  if (user === null) return [];
  return Object.entries(variants).map(([experiment, variant]) => JSON.stringify([experiment, user, variant, time]));
}

/** The statements that record a person's first conversion after a list was given. */
export function conversions(experiments: readonly Experiment[], interactions: readonly Interaction[]): Statement[] {
  return experiments.flatMap(({ name, successFrom }) =>
    interactions
      .filter(({ value }) => successFrom === undefined || value >= successFrom)
      .map(({ user, time }) => ({
        sql: 'UPDATE outcomes SET converted = ? WHERE experiment = ? AND person = ? AND converted IS NULL AND exposed <= ?',
        params: [time, name, user, time],
      })),
  );
}

/** The results of an experiment so far. */
export async function resultsOf(state: State, { name, variants }: Experiment): Promise<VariantResult[]> {
  const rows = await state.database.scan(
    'SELECT variant, COUNT(*) AS people, COUNT(converted) AS converted FROM outcomes WHERE experiment = ? GROUP BY variant',
    [name],
  );
  const of = (variant: string) => {
    const row = rows.find((each) => String(each['variant']) === variant);
    return { people: Number(row?.['people'] ?? 0), converted: Number(row?.['converted'] ?? 0) };
  };
  const [control] = variants;
  return variants.map((variant, v) => {
    const { people, converted } = of(variant.name);
    return {
      variant: variant.name,
      people,
      converted,
      rate: people === 0 ? 0 : converted / people,
      comparison:
        v === 0
          ? undefined
          : // Bonferroni correction: several comparisons share the error probability of 0.05.
            sequentialTest(
              of(control.name).converted,
              converted,
              variant.share / (variant.share + control.share),
              0.05 / (variants.length - 1),
            ),
    };
  });
}
