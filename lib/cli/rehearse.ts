/** What can be wrong with a configuration whatever its data holds, found before any of it is read. */
import { INPUT_CHOICE } from '../batch/features.js';
import { ITEM_STATISTICS } from '../data/index.js';
import type { FeatureSpec } from '../data/index.js';
import type { InputSpec } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { createEnsemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import type { Config } from './config.js';
import { memberConfigs } from './ensemble.js';
import { named } from './named.js';
import { checkOptionsOfData, learnerOf } from './pipeline.js';

/**
 * Makes the learner of a configuration, or all members of its ensemble, over inputs of two values each, and lets go of them.
 * @throws {InnerloopError} MISSING_COLUMN for an input that no feature is called by; INVALID_OPTION; UNSUPPORTED
 */
export async function rehearse(config: Config): Promise<void> {
  const learners: Learner[] = [];
  try {
    for (const [k, member] of memberConfigs(config).entries())
      await named(/^/, config.ensemble === undefined ? '' : `ensemble[${k}].`, async () => {
        checkOptionsOfData(member);
        learners.push(await learnerOf(member, () => member.model.inputs.map((_, i) => standIn(member, i))));
      });
    if (config.ensemble !== undefined) createEnsemble(learners);
  } finally {
    for (const learner of learners) learner.dispose();
  }
}

/** An input as its feature is described, of two values. */
function standIn({ data, model }: Config, i: number): InputSpec {
  const field = `inputs[${i}]`;
  const { name, dim, pooling, maxLength, init } = model.inputs[i];
  const kind = kindOf(data, name, `${field}.name`);
  if (kind === 'dense') return { name, kind, size: 1, ...(dim !== undefined && { dim }) };
  if (dim === undefined)
    throw new InnerloopError('INVALID_OPTION', 'missing', {
      field: `${field}.dim`,
      expected: `the width of its embedding, an integer ≥ ${INPUT_CHOICE.dim.min}: { "name": ${JSON.stringify(name)}, "dim": 8 }`,
    });
  const of = { name, cardinality: 2, dim, ...(init !== undefined && { init }) };
  if (kind === 'sequence') return { ...of, kind, maxLength: maxLength ?? 1 };
  return kind === 'bag' ? { ...of, kind, ...(pooling !== undefined && { pooling }) } : { ...of, kind };
}

function kindOf({ interactions, users, items }: Config['data'], name: string, field: string): FeatureSpec['kind'] {
  if (name === 'user' || name === 'item') return 'categorical';
  if ((ITEM_STATISTICS as readonly string[]).includes(name)) return 'dense';
  const features = [interactions, users, items].flatMap((table) => table?.features ?? []);
  const found = features.find((feature) => feature.name === name);
  if (found !== undefined) return found.kind;
  // Whether a dense feature is there is one too.
  const present = features.filter((feature) => feature.present === true).map((feature) => `${feature.name}.present`);
  if (present.includes(name)) return 'dense';
  const known = ['user', 'item', ...ITEM_STATISTICS, ...features.map((feature) => feature.name), ...present];
  throw new InnerloopError('MISSING_COLUMN', suggesting('no such column', name, known), {
    field,
    value: name,
    expected: `one of ${known.join(', ')}; or a feature of this name in data.items, data.users or data.interactions`,
  });
}
