/** Scores of items for one user. */
import { runNative, runNativeSync } from '../foundation/addon.js';
import type { NativeOutputs, NativePrediction } from '../foundation/addon.js';
import { topK } from '../foundation/top-k.js';
import { queryChunks } from '../batch/batch.js';
import { preparedNoAdaptation } from '../meta/inner-loop.js';
import { scoresOf } from '../model/scores.js';
import { moderate } from '../learner/uncertainty.js';
import type { Learner } from '../learner/learner.js';
import type { Dataset } from '../foundation/contract.js';
import type { Pool } from './catalog-cache.js';
import { adaptedOf, selectionOf } from './person.js';
import type { Person } from './person.js';
import { packRows } from './support.js';
import type { Context, PackedSupport } from './support.js';

/** Items scored by one task: enough to be worth a hand-over, few enough that all threads share a catalog. */
const SCORING_CHUNK = 512;

/** @internal @param adapted in place of the person's, such as with its posterior @param variances takes aᵀ M⁻¹ a of every row */
export async function scoreRows(
  person: Person,
  rows: Int32Array,
  context: Context | undefined,
  signal: AbortSignal | undefined,
  adapted = adaptedOf(person),
  variances?: Float64Array,
): Promise<Float64Array> {
  if (rows.length === 0) return new Float64Array(0);
  const { learner, catalog, known } = person;
  const call = prediction(person, rows, context, adapted, variances !== undefined);
  const outputs = await runNative(signal, (token) => learner.model.ops.predict({ ...call, token }));
  // A step that began meanwhile may have moved the parameters under it.
  adaptedOf(person);
  variances?.set(outputs.variance!);
  return scoresOfOutputs(learner, catalog, known, rows, outputs);
}

/** @internal The same at once. */
export function scoreRowsSync(person: Person, rows: Int32Array, context: Context | undefined): Float64Array {
  if (rows.length === 0) return new Float64Array(0);
  const { learner, catalog, known } = person;
  const call = prediction(person, rows, context, adaptedOf(person), false);
  const outputs = runNativeSync(() => learner.model.ops.predictSync(call));
  return scoresOfOutputs(learner, catalog, known, rows, outputs);
}

function prediction(
  { learner, catalog, known }: Person,
  rows: Int32Array,
  context: Context | undefined,
  adapted: Uint8Array,
  variance: boolean,
): NativePrediction {
  return {
    ...learner.call(packRows(learner, catalog, known, rows, queryChunks(rows.length, SCORING_CHUNK), context)),
    inner: preparedNoAdaptation(learner.model),
    adapted: [adapted],
    selection: selectionOf(learner),
    before: true,
    after: false,
    variance: variance || learner.isModerated,
  };
}

/** @internal What outputs of one user's rows mean. */
export function scoresOfOutputs(
  learner: Learner,
  catalog: Dataset,
  known: Pick<PackedSupport, 'bias'>,
  rows: Int32Array,
  { before, after, variance }: NativeOutputs,
): Float64Array {
  const { mean, itemBias } = learner.rows(catalog).state;
  const scores = scoresOf(learner.model.spec.head, learner.model.mainOf((before ?? after)!), mean);
  if (learner.isModerated) moderate(scores, variance!);
  if (itemBias !== undefined) for (let i = 0; i < scores.length; i++) scores[i] += itemBias[rows[i]] + known.bias;
  return scores;
}

/** @internal The best candidates by scores that are worked out here: those of a softmax or of an ensemble, which the core does not rank by. */
export async function rankByScores(
  {
    catalog,
    exclude,
    score,
  }: { catalog: Dataset; exclude: Int32Array; score: (rows: Int32Array) => Promise<Float64Array> },
  ask: { pool: Pool; among: Int32Array | undefined; count: number },
): Promise<{ rows: Int32Array; scores: Float64Array; keys: Float64Array }> {
  const { pool, among, count } = ask;
  const held = new Set(exclude);
  const all = among ?? Int32Array.from({ length: catalog.items.rows - 1 }, (_, i) => i + 1);
  const rows = all.filter((row) => pool.allowed?.[row] !== 0 && !held.has(row));
  const scores = await score(rows);
  const keys = pool.boost === undefined ? scores : scores.map((each, i) => each + pool.boost![rows[i]]);
  const best = topK(keys, count);
  const at = (values: Float64Array) => Float64Array.from(best, (i) => values[i]);
  return { rows: best.map((i) => rows[i]), scores: at(scores), keys: at(keys) };
}
