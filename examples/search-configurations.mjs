// Search over 20 configurations by validation users: node examples/search-configurations.mjs [epochs]
import { adam, createLearner, defineModel, describeInputs, fit, openDataset, ridge } from 'innerloop';

const from = new URL('../data/ml-latest-small/ratings.csv', import.meta.url).pathname;
const dataset = await openDataset({ interactions: { from, user: 'userId', item: 'movieId', label: 'rating' } });
let best = { mae: Infinity };
for (let trial = 0; trial < 20; trial++) {
  const [dim, learningRate] = [[2, 4, 8, 16][trial % 4], [0.001, 0.003, 0.01, 0.03, 0.1][trial % 5]];
  const learner = (data, { trainRows }) => {
    const inputs = describeInputs(data, [{ name: 'item', dim }], trainRows);
    const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [8] }, head: { loss: 'mse' } });
    return createLearner({ model, algorithm: ridge(), optimizer: adam({ learningRate }) });
  };
  let mae = Infinity;
  const onEpoch = ({ validation }) => (mae = Math.min(mae, validation));
  const { table } = await fit(dataset, { learner, onEpoch, epochs: Number(process.argv[2] ?? 10), baselines: false });
  console.log(`dim ${dim}, rate ${learningRate}: validation MAE ${mae.toFixed(4)}`);
  if (mae < best.mae) best = { mae, dim, learningRate, table };
}
console.log(`best: dim ${best.dim}, rate ${best.learningRate}\n${best.table}`);
