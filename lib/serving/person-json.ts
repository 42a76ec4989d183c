/** Personal models as plain data: for a store beside the process, or another thread. */
import { createHash } from 'node:crypto';
import { checkObject, checkPlain, checkString, invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Learner } from '../learner/learner.js';
import { adaptedOf, copyOfSupport } from './person.js';
import type { Person } from './person.js';
import { packSupport } from './support.js';
import type { Support } from './support.js';

/** What `me.toJSON()` gives. */
export interface PersonalModelJson {
  format: 'innerloop-personal-model';
  version: 1;
  /** Names the learner's parameters: one that is other, or was trained further, refuses it. */
  learner: string;
  /** What the model was adapted to. */
  support: Support;
  /** The adapted parameters, base64. */
  adapted: string;
  /** Of support and parameters: what was changed on the way is refused. */
  digest: string;
}

const FORMAT = 'innerloop-personal-model';

/** @internal */
export function personToJson(person: Person): PersonalModelJson {
  const adapted = Buffer.from(adaptedOf(person)).toString('base64');
  const support = copyOfSupport(person.support);
  const learner = digestOfLearner(person.learner);
  return { format: FORMAT, version: 1, learner, support, adapted, digest: digestOf(learner, support, adapted) };
}

/** @internal @throws {InnerloopError} MODEL_FILE for what is damaged or of another learner */
export function personFromJson(learner: Learner, json: unknown): Person {
  checkObject(json, 'json', ['format', 'version', 'learner', 'support', 'adapted', 'digest']);
  const { format, version, learner: of, support, adapted, digest } = json;
  if (format !== FORMAT || version !== 1) {
    throw new InnerloopError('MODEL_FILE', 'not a personal model of this version', {
      field: 'json.format',
      value: format,
      expected: `${FORMAT}, version 1`,
    });
  }
  for (const [name, text] of Object.entries({ learner: of, adapted, digest })) checkString(text, `json.${name}`);
  if (of !== digestOfLearner(learner)) {
    throw new InnerloopError('MODEL_FILE', 'belongs to another learner, or to this one before more training', {
      field: 'json.learner',
      value: of,
      expected: digestOfLearner(learner),
    });
  }
  if (typeof support !== 'object' || support === null)
    throw invalid('json.support', 'missing', support, 'a support set');
  checkPlain(support, 'json.support');
  if (digest !== digestOf(of, support as Support, adapted as string)) {
    throw new InnerloopError('MODEL_FILE', 'damaged: the digest does not fit', { field: 'json.digest' });
  }
  const catalog = learner.servedCatalog();
  const { packed: _, ...known } = packSupport(learner, catalog, support as Support);
  return {
    learner,
    catalog,
    version: learner.version,
    support: copyOfSupport(support as Support),
    known,
    adapted: new Uint8Array(Buffer.from(adapted as string, 'base64')),
  };
}

/** JSON has no NaN: a missing auxiliary label is null on either side. */
function digestOf(learner: string, support: Support, adapted: string): string {
  return createHash('sha256')
    .update(JSON.stringify([learner, support, adapted]))
    .digest('hex');
}

const digests = new WeakMap<Learner, { version: number; digest: string }>();

/** One hash over all that decides what adapted parameters mean: model, algorithm, parameters, centring and ids of items. */
function digestOfLearner(learner: Learner): string {
  const known = digests.get(learner);
  if (known?.version === learner.version) return known.digest;
  const { model, algorithm, store, rowState, noiseVariance } = learner;
  const { inputs, ...spec } = model.spec;
  const hash = createHash('sha256').update(
    JSON.stringify([
      { ...spec, inputs: inputs.map((input) => ({ ...input, vocabulary: undefined })) },
      model.precision,
      algorithm.name,
      algorithm.options,
      rowState.mean,
      noiseVariance ?? null,
    ]),
  );
  const add = (data: ArrayBufferView) => hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  model.tensors.forEach((_, t) => add(model.ops.readTensor(store, t)));
  if (learner.stepRates !== undefined) add(learner.stepRates);
  if (learner.rateStore !== undefined)
    model.tensors.forEach((_, t) => add(model.ops.readTensor(learner.rateStore!, t)));
  if (rowState.itemBias !== undefined) add(rowState.itemBias);
  const ids = learner.servedCatalog().items.keys.values;
  // In pieces: one text of all ids may be longer than a text can be.
  for (let from = 0; from < ids.length; from += 65536) hash.update(JSON.stringify(ids.slice(from, from + 65536)));
  const digest = hash.digest('hex');
  digests.set(learner, { version: learner.version, digest });
  return digest;
}
