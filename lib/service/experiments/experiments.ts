/** Experiments: who is in which variant, what a variant changes, and what came of it. */
import { createHash } from 'node:crypto';
import { checkArray, checkNumber, checkObject, checkString, invalid } from '../../foundation/check.js';
import type { Statement } from '../state/database.js';
import type { Interaction, State } from '../state/state.js';
import { sequentialTest } from './sequential.js';
import type { SequentialResult } from './sequential.js';

export interface Variant {
  name: string;
  /** Of the people of the experiment. */
  share: number;
  /** Options of recommendations, in place of the service's defaults; what a request says itself stands above them. */
  options: Readonly<Record<string, unknown>>;
}
export interface Experiment {
  name: string;
  /** The first one is what the others are compared with. */
  variants: readonly Variant[];
  /** An interaction from this value on is a conversion. Default: any. */
  successFrom: number | undefined;
}

export interface VariantResult {
  variant: string;
  /** People who got a recommendation, and those of them with a conversion after it. */
  people: number;
  converted: number;
  rate: number;
  /** Against the first variant; undefined for that one. */
  comparison: SequentialResult | undefined;
}

/** What a variant may change. */
const VARIANT_OPTIONS = ['diversity', 'explore', 'minSupport', 'boost', 'fallback'] as const;

/** @throws {InnerloopError} naming what of a list of experiments is wrong */
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

/** The variant of a person: the same at every time, in every process, and of each experiment independent of the others. */
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

/** That a person was given a list of a variant: the first time counts. */
export function exposure(experiment: string, person: string, variant: string, time: number): Statement {
  return {
    sql: 'INSERT INTO outcomes (experiment, person, variant, exposed) VALUES (?, ?, ?, ?) ON CONFLICT (experiment, person) DO NOTHING',
    params: [experiment, person, variant, time],
  };
}

/** That people who were given a list converted, the first time. */
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

/** What came of an experiment so far. */
export async function resultsOf(state: State, { name, variants }: Experiment): Promise<VariantResult[]> {
  const rows = await state.database.all(
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
          : // Several variants share the error: each is compared at a part of it.
            sequentialTest(
              of(control.name).converted,
              converted,
              variant.share / (variant.share + control.share),
              0.05 / (variants.length - 1),
            ),
    };
  });
}
