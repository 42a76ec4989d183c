// An algorithm of one's own, two ways: gradient steps with options of your choice, and a graph of matrix operations over one task
// (here: the mean of the support labels, weighted by the likeness of items), which the core runs and differentiates:
//   node examples/own-algorithm.mjs [epochs]
import { defineAlgorithm, fit } from 'innerloop';

const cautious = { name: 'cautious', steps: 2, learningRate: 0.05, adapt: ['@last'], proximal: 0.5, rates: 'perStep' };
const graph = (g) => {
  const likeness = g.product('nt', g.features('query'), g.features('support'));
  g.output(g.product('nn', g.softmax(likeness), g.labels('support')));
};
const data = new URL('../data/ml-latest-small/', import.meta.url).pathname;
const source = {
  interactions: { from: `${data}ratings.csv`, user: 'userId', item: 'movieId', label: 'rating' },
  items: { from: `${data}movies.csv`, id: 'movieId', features: [{ name: 'genres', kind: 'bag' }] },
};
for (const learner of [cautious, { name: 'neighbours', graph }].map(defineAlgorithm)) {
  const { table } = await fit(source, { learner, epochs: Number(process.argv[2] ?? 10), seed: 1, baselines: false });
  console.log(table);
}
