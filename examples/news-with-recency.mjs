// News: what a reader likes, weighed by age; an article of this minute is recommended at once, by its topics:
//   node examples/news-with-recency.mjs
import { datasetFromColumns, fit } from 'innerloop';

const TOPICS = ['politics', 'sport', 'science', 'music'];
const HOUR = 3600;
const NOW = 1_800_000_000;
const articles = Array.from({ length: 60 }, (_, i) => ({ id: `a${i}`, topic: TOPICS[i % 4], at: NOW - i * 2 * HOUR }));
let state = 1;
const chance = () => (state = (state * 48271) % 2147483647) / 2147483647;
const [user, item, label] = [[], [], []];
for (let u = 0; u < 200; u++)
  for (const { id, topic } of articles)
    if (chance() < 0.3)
      (user.push(`u${u}`), item.push(id), label.push(Number(chance() < (topic === TOPICS[u % 4] ? 0.8 : 0.1))));
const features = {
  topic: { kind: 'categorical', values: articles.map(({ topic }) => topic) },
};
const dataset = datasetFromColumns({ user, item, label, itemFeatures: { id: articles.map(({ id }) => id), features } });
const { learner } = await fit(dataset, { epochs: 5, seed: 1, baselines: false });

const at = new Map(articles.map((article) => [article.id, article.at]));
learner.addItems({ id: ['breaking'], features: { topic: { kind: 'categorical', values: ['sport'] } } });
at.set('breaking', NOW);
// In units of the score, here the log odds of a click: an article loses half of its bonus every six hours.
const recency = ({ item }) => 3 * 0.5 ** ((NOW - (at.get(item) ?? 0)) / (6 * HOUR));
const fan = await learner.adapt({ items: ['a41', 'a45', 'a42', 'a40'], labels: [1, 1, 0, 0] });
const columns = ['topic'];
const age = (id) => `${(NOW - at.get(id)) / HOUR} h`;
for (const [name, boost] of [
  ['by taste', undefined],
  ['by taste and age', recency],
]) {
  const list = await fan.recommend({ count: 5, minSupport: 0, columns, ...(boost && { boost }) });
  console.log(`${name}:`, list.map(({ item, columns: { topic } }) => `${item} (${topic}, ${age(item)})`).join(', '));
}
