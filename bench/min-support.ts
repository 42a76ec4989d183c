/**
 * How `recommend`'s default `minSupport` was chosen: the share of validation users of the bundled MovieLens whose list of ten, out
 * of the whole catalog, holds a film that they liked and that the model did not know of, by `minSupport`. `npm run setup`, then
 *
 *     node dist/bench/min-support.js [seeds]
 */
import { join } from 'node:path';
import {
  adam,
  createLearner,
  defineModel,
  describeInputs,
  openDataset,
  ridge,
  splitTasks,
  train,
} from '../lib/index.js';
import { packageRoot } from '../lib/foundation/addon.js';

const CHOICES = [0, 1, 2, 3, 5, 8, 12, 20, 40];
const SHOTS = [3, 20];
const LIKED = 4;
const COUNT = 10;

const folder = join(packageRoot(), 'data', 'ml-latest-small');
const dataset = await openDataset({
  interactions: { from: join(folder, 'ratings.csv'), user: 'userId', item: 'movieId', label: 'rating' },
  items: {
    from: join(folder, 'movies.csv'),
    id: 'movieId',
    features: [{ name: 'genres', kind: 'bag', separator: '|' }],
  },
});
const seeds = Number(process.argv[2] ?? 3);
const hits = new Map(SHOTS.map((shots) => [shots, CHOICES.map((): number[] => [])]));
for (let seed = 1; seed <= seeds; seed++) {
  const { sets, trainRows } = splitTasks(dataset, {
    protocol: 'users',
    validation: 0.3,
    test: 0.1,
    seed,
    tasks: { min: 13, query: 10 },
  });
  const inputs = describeInputs(
    dataset,
    [
      { name: 'item', dim: 16 },
      { name: 'genres', dim: 8 },
    ],
    trainRows,
  );
  const model = defineModel({
    inputs,
    body: { kind: 'mlp', hidden: [16], activation: 'identity' },
    head: { loss: 'mse' },
  });
  const learner = createLearner({ model, algorithm: ridge(), optimizer: adam({ learningRate: 0.01 }), seed });
  for await (const _ of train(learner, sets['train'], { epochs: 20, validation: sets['validation'] })) void _;
  const tasks = sets['validation'];
  const id = (row: number) => dataset.items.keys.values[dataset.item[row]];
  for (const shots of SHOTS) {
    const users = Array.from({ length: tasks.size }, (_, t) => {
      const rows = tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]).subarray(0, shots);
      return { items: Array.from(rows, id), labels: Array.from(rows, (row) => dataset.label[row]) };
    });
    for (const [c, minSupport] of CHOICES.entries()) {
      const lists = await learner.recommendMany(users, { count: COUNT, minSupport });
      lists.forEach((list, t) => {
        // All that the user liked and the model was not told of.
        const all = [
          ...tasks.supportRows.subarray(tasks.supportOffsets[t] + shots, tasks.supportOffsets[t + 1]),
          ...tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]),
        ];
        const liked = new Set(all.filter((row) => dataset.label[row] >= LIKED).map(id));
        if (liked.size > 0) hits.get(shots)![c].push(Number(list.some(({ item }) => liked.has(item))));
      });
    }
  }
}
for (const [shots, choices] of hits) {
  console.log(`after ${shots} ratings: hit rate@${COUNT} over the whole catalog, ${choices[0].length} users`);
  CHOICES.forEach((minSupport, c) => {
    const mean = choices[c].reduce((a, b) => a + b, 0) / choices[c].length;
    const half = 1.96 * Math.sqrt((mean * (1 - mean)) / choices[c].length);
    console.log(`  minSupport ${String(minSupport).padStart(2)}: ${mean.toFixed(3)} ± ${half.toFixed(3)}`);
  });
}
