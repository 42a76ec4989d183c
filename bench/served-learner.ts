/** The model that the benchmarks of serving ask: ridge over generated ratings. */
import {
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  ridge,
  splitTasks,
  train,
} from '../lib/index.js';
import type { BodySpec, Learner } from '../lib/index.js';
import { random } from '../lib/foundation/random.js';

/** Items of the model under load, of which the load names some. */
export const LOAD_ITEMS = 10_000;

/** @param ratings of each item, at the mean @param stage of the random stream that draws them */
export async function servedLearner(items: number, ratings: number, stage: string): Promise<Learner> {
  const stream = random(1, stage);
  const rows = ratings * items;
  const dataset = datasetFromColumns({
    user: Int32Array.from({ length: rows }, (_, r) => Math.floor(r / 20)),
    item: Int32Array.from({ length: rows }, (_, r) => (r * 7919) % items),
    label: Float32Array.from({ length: rows }, () => 1 + stream.below(5)),
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', seed: 1, tasks: { min: 20, query: 10 } });
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 16 }], trainRows);
  const body: BodySpec = { kind: 'mlp', hidden: [16], activation: 'identity' };
  const model = defineModel({ inputs, body, head: { loss: 'mse' } }, { threads: 2 });
  const learner = createLearner({ model, algorithm: ridge(), seed: 1 });
  for await (const epoch of train(learner, sets['train'], { epochs: 1 })) void epoch;
  return learner;
}
