// Slates and bundles: by maximal marginal relevance, by a determinantal point process, and with constraints:
//   node examples/slates.mjs model.safetensors [column of the items]
import { loadLearner } from 'innerloop';

const [, , path, column = 'genres'] = process.argv;
const learner = await loadLearner(path);
const items = learner.catalog.items.keys.values.slice(1, 4);
const me = await learner.adapt({ items, labels: [5, 4, 2] });
const show = (name, list) => console.log(name, list.map(({ item }) => item).join(' '));
show('MMR', await me.recommend({ count: 5, diversity: 0.6 }));

// Greedy MAP of a DPP with the kernel q_i q_j ⟨x_i, x_j⟩ (Chen, Zhang & Zhou 2018): quality by score, likeness by item vectors.
const pool = await me.recommend({ count: 100, columns: [column] });
const vectors = await learner.itemVectors(pool.map(({ item }) => item));
const x = vectors.map((vector, i) => vector.map((v) => (v / (Math.hypot(...vector) || 1)) * Math.exp(pool[i].score)));
const kernel = (i, j) => x[i].reduce((sum, v, k) => sum + v * x[j][k], 0);
const rows = pool.map(() => []);
const gain = pool.map((_, i) => kernel(i, i));
const chosen = [];
while (chosen.length < 5) {
  const best = gain.reduce((top, g, i) => (!chosen.includes(i) && (top < 0 || g > gain[top]) ? i : top), -1);
  chosen.push(best);
  for (const i of pool.keys()) {
    const e =
      (kernel(best, i) - rows[best].reduce((sum, v, k) => sum + v * (rows[i][k] ?? 0), 0)) / Math.sqrt(gain[best]);
    if (i !== best) (rows[i].push(e), (gain[i] -= e * e));
  }
}
show(
  'DPP',
  chosen.map((i) => pool[i]),
);

// At most two of a kind, from the best down; bundles with a budget are the same with a sum in place of a count.
const counts = new Map();
const slate = pool.filter(({ columns }) => {
  const kinds = [columns[column]].flat();
  if (kinds.some((kind) => (counts.get(kind) ?? 0) >= 2)) return false;
  return kinds.forEach((kind) => counts.set(kind, (counts.get(kind) ?? 0) + 1)) ?? true;
});
show('at most two of a kind', slate.slice(0, 5));
