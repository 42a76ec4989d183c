/**
 * One user at a time from JavaScript: adapting to 20 interactions, and scoring a catalogue of 10,000 items. A MAML learner
 * (K = 5, embeddings shared, network adapted) trained for one epoch on the bundled MovieLens ratings.
 */
import { join } from 'node:path';
import { packageRoot } from '../../lib/foundation/addon.js';
import {
  adam,
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  maml,
  openDataset,
  splitTasks,
  train,
} from '../../lib/index.js';
import type { Dataset, Learner, Support } from '../../lib/index.js';
import { random } from '../../lib/foundation/random.js';
import { median, quantile } from '../statistics.js';

export interface ServingRequest {
  calls: number;
  threads: number;
}
export interface ServingResult {
  /** Seconds of `learner.adapt`, from the call to the personal model. */
  adaptP50: number;
  adaptP99: number;
  /** Of `learner.adaptSync`. */
  syncP50: number;
  syncP99: number;
  /** Processor seconds of a call, of all threads. */
  adaptCpu: number;
  /** Seconds of `predict` for 10,000 items by id, and of `recommend` over a catalogue of 10,000. */
  predict: number;
  recommend: number;
}

const SUPPORT = 20;
const CATALOGUE = 10_000;
const WARM_UP = 300;
const { calls, threads } = JSON.parse(process.argv[2]) as ServingRequest;

async function learnerOn(dataset: Dataset, names: { name: string; dim: number }[]): Promise<Learner> {
  const { sets, trainRows } = splitTasks(dataset, {
    protocol: 'users',
    test: 0.1,
    seed: 1,
    tasks: { min: 13, query: 10 },
  });
  const inputs = describeInputs(dataset, names, trainRows);
  const model = defineModel(
    { inputs, body: { kind: 'mlp', hidden: [64, 64], activation: 'relu' }, head: { loss: 'mse' } },
    { threads },
  );
  const learner = createLearner({
    model,
    algorithm: maml({ steps: 5, learningRate: 0.01, adapt: ['mlp.*'] }),
    optimizer: adam(),
    seed: 1,
  });
  for await (const epoch of train(learner, sets['train'], { epochs: 1 })) void epoch;
  return learner;
}

const folder = join(packageRoot(), 'data', 'ml-latest-small');
const movies = await openDataset(
  {
    interactions: { from: 'ratings.csv', user: 'userId', item: 'movieId', label: 'rating' },
    items: { from: 'movies.csv', id: 'movieId', features: [{ name: 'genres', kind: 'bag' }] },
  },
  { baseDirectory: folder },
);
const learner = await learnerOn(movies, [
  { name: 'item', dim: 16 },
  { name: 'genres', dim: 8 },
]);

/** Made-up users: popular or not, a title is a title to the clock. */
const stream = random(1, 'bench.serving');
const titles = movies.items.keys.values;
const supports: Support[] = Array.from({ length: 64 }, () => ({
  items: Array.from({ length: SUPPORT }, () => titles[1 + Math.floor(stream.uniform() * (titles.length - 1))]),
  labels: Array.from({ length: SUPPORT }, () => 1 + Math.floor(stream.uniform() * 9) / 2),
}));

async function time(
  count: number,
  run: (call: number) => Promise<unknown>,
): Promise<{ seconds: number[]; cpu: number }> {
  const seconds: number[] = [];
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await run(i);
    seconds.push((performance.now() - start) / 1000);
  }
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpu: (user + system) / 1e6 / count };
}

const adapt = (i: number) => learner.adapt(supports[i % supports.length]);
await time(WARM_UP, adapt);
const adapting = await time(calls, adapt);
const adaptSync = async (i: number) => learner.adaptSync(supports[i % supports.length]);
await time(WARM_UP, adaptSync);
const atOnce = await time(calls, adaptSync);

/** A catalogue of its own: the bundled one is a little smaller than 10,000. */
const draw = (size: number, below: number) =>
  Int32Array.from({ length: size }, () => Math.floor(stream.uniform() * below));
const rows = 30_000;
const genres = ['action', 'comedy', 'drama', 'horror', 'music', 'war'];
// Every item once, so that all are in the catalogue; the rest at random.
const item = Int32Array.from({ length: rows }, (_, i) => (i < CATALOGUE ? i : 0)).map((id, i) =>
  i < CATALOGUE ? id : Math.floor(stream.uniform() * CATALOGUE),
);
const catalogue = datasetFromColumns({
  user: draw(rows, 600),
  item,
  label: Float32Array.from({ length: rows }, () => 1 + Math.floor(stream.uniform() * 5)),
  itemFeatures: {
    id: Int32Array.from({ length: CATALOGUE }, (_, i) => i),
    features: {
      genres: {
        kind: 'bag',
        values: Array.from({ length: CATALOGUE }, (_, i) => [genres[i % 6], genres[(i >> 3) % 6]]),
      },
    },
  },
  duplicates: 'last',
});
const server = await learnerOn(catalogue, [
  { name: 'item', dim: 16 },
  { name: 'genres', dim: 8 },
]);
const ids = catalogue.items.keys.values.slice(1);
if (ids.length !== CATALOGUE) throw new Error(`the catalogue holds ${ids.length} items, not ${CATALOGUE}`);
const me = await server.adapt({
  items: ids.slice(0, SUPPORT),
  labels: Array.from({ length: SUPPORT }, (_, i) => 1 + (i % 5)),
});
const scorings = Math.max(50, Math.round(calls / 10));
await time(20, () => me.predict(ids));
const predicting = await time(scorings, () => me.predict(ids));
await time(20, () => me.recommend({ count: 10 }));
const recommending = await time(scorings, () => me.recommend({ count: 10 }));

const result: ServingResult = {
  adaptP50: quantile(adapting.seconds, 0.5),
  adaptP99: quantile(adapting.seconds, 0.99),
  syncP50: quantile(atOnce.seconds, 0.5),
  syncP99: quantile(atOnce.seconds, 0.99),
  adaptCpu: adapting.cpu,
  predict: median(predicting.seconds),
  recommend: median(recommending.seconds),
};
console.log(JSON.stringify(result));
