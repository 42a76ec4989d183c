// Goods of another domain: who has bought books only gets films, by tastes that the two have in common:
//   node examples/cross-domain-goods.mjs
import { datasetFromColumns, fit } from 'innerloop';

const TASTES = ['space', 'crime', 'love', 'history'];
const goods = Array.from({ length: 80 }, (_, i) => ({
  id: `${i < 40 ? 'book' : 'film'} ${i % 40}`,
  domain: i < 40 ? 'books' : 'films',
  taste: TASTES[i % 4],
}));
let state = 1;
const chance = () => (state = (state * 48271) % 2147483647) / 2147483647;
const [user, item, label] = [[], [], []];
for (let u = 0; u < 200; u++)
  for (const { id, taste } of goods) {
    if (chance() > 0.25) continue;
    const likes = taste === TASTES[u % 4] ? 4.5 : taste === TASTES[(u + 1) % 4] ? 3 : 1.5;
    (user.push(`u${u}`), item.push(id), label.push(Math.min(5, Math.max(1, Math.round(likes + chance() - 0.5)))));
  }
const features = {
  domain: { kind: 'categorical', values: goods.map(({ domain }) => domain) },
  taste: { kind: 'categorical', values: goods.map(({ taste }) => taste) },
};
const dataset = datasetFromColumns({ user, item, label, itemFeatures: { id: goods.map(({ id }) => id), features } });
const { learner } = await fit(dataset, { epochs: 5, seed: 1, baselines: false });

const films = { filter: { domain: 'films' }, count: 5, columns: ['taste'], minSupport: 0 };
const tastes = (list) => list.map(({ columns }) => columns.taste).join(' ');
const reader = await learner.adapt({ items: ['book 1', 'book 5', 'book 2'], labels: [5, 5, 2] });
console.log('films for who reads crime:', tastes(await reader.recommend(films)));
const nobody = await learner.adapt({ items: [], labels: [] });
console.log('films for anybody:', tastes(await nobody.recommend(films)));
