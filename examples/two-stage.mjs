// Recall, then re-rank: the nearest item vectors by an index (npm install usearch; exact without), ranked by the personal model:
//   node examples/two-stage.mjs model.safetensors
import { loadLearner } from 'innerloop';

const learner = await loadLearner(process.argv[2]);
const ids = learner.catalog.items.keys.values.slice(1);
const vectors = await learner.itemVectors(ids);
const width = vectors[0].length;
const unit = vectors.map((vector) => vector.map((x) => x / (Math.hypot(...vector) || 1)));
const usearch = await import('usearch').catch(() => undefined);

let nearest;
if (usearch === undefined) {
  const dot = (a, b) => a.reduce((sum, x, k) => sum + x * b[k], 0);
  nearest = (query, count) => {
    const likeness = unit.map((vector) => dot(vector, query));
    const order = [...likeness.keys()].sort((a, b) => likeness[b] - likeness[a]);
    return order.slice(0, count).map((k) => ids[k]);
  };
} else {
  const index = new usearch.default.Index({ metric: 'cos', connectivity: 16, dimensions: width });
  unit.forEach((vector, k) => index.add(BigInt(k), Float32Array.from(vector)));
  nearest = (query, count) => Array.from(index.search(Float32Array.from(query), count, 1).keys, (k) => ids[Number(k)]);
}

const support = { items: ids.slice(0, 3), labels: [5, 4, 4.5] };
const liked = support.items.map((id) => unit[ids.indexOf(id)]);
const among = nearest(
  Array.from({ length: width }, (_, k) => liked.reduce((sum, vector) => sum + vector[k], 0)),
  200,
);
const me = await learner.adapt(support);
const list = await me.recommend({ among, count: 5 });
console.log(`${among.length} of ${ids.length} items recalled${usearch === undefined ? ' exactly' : ' by usearch'}`);
for (const { item, score } of list) console.log(item, score.toFixed(2));
