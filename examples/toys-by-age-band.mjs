// Toys by age band: a task is an age group and a category, so that a few sales in a new pair say what sells there:
//   node examples/toys-by-age-band.mjs
import { datasetFromColumns, fit } from 'innerloop';

const BANDS = ['0-2', '3-5', '6-8', '9-12', '13+'];
const CATEGORIES = ['puzzles', 'animals', 'building', 'music', 'games', 'outdoor'];
const toys = Array.from({ length: 60 }, (_, i) => ({ id: `toy ${i}`, pieces: (i * 7) % 50, sound: i % 2 }));
let state = 1;
const chance = () => (state = (state * 48271) % 2147483647) / 2147483647;
const [user, item, label, shelf] = [[], [], [], []];
// The older, the more pieces; some categories are loud.
const rating = (band, category, { pieces, sound }) =>
  3 + (band - 2) * (pieces / 50 - 0.5) + (category % 2 === 0 ? 1 : -1) * (sound - 0.5) + 0.4 * (chance() - 0.5);
for (const [b, band] of BANDS.entries())
  for (const [c, category] of CATEGORIES.entries())
    for (const toy of toys) {
      if (chance() > 0.4) continue;
      (user.push(`sale ${user.length}`), item.push(toy.id), shelf.push(`${band} ${category}`));
      label.push(Math.min(5, Math.max(1, rating(b, c, toy))));
    }
const itemFeatures = {
  id: toys.map(({ id }) => id),
  features: {
    pieces: { kind: 'dense', values: toys.map(({ pieces }) => pieces) },
    sound: { kind: 'dense', values: toys.map(({ sound }) => sound) },
  },
};
const features = { shelf: { kind: 'categorical', values: shelf } };
const dataset = datasetFromColumns({ user, item, label, features, itemFeatures });
const tasks = { by: { column: 'shelf' }, min: 8, query: { fraction: 0.5 } };
const { table, learner } = await fit(dataset, {
  protocol: { protocol: 'tasks', test: 0.3, tasks },
  epochs: 10,
  seed: 1,
});
console.log(table);
