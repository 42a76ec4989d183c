// Train on a CSV file of ratings, measure on new users, and recommend:
//   node examples/train-on-my-csv.mjs [ratings.csv user item rating]
import { fit } from 'innerloop';

const bundled = new URL('../data/ml-latest-small/ratings.csv', import.meta.url).pathname;
const [from = bundled, user = 'userId', item = 'movieId', label = 'rating'] = process.argv.slice(2);
const { dataset, learner, table } = await fit({ interactions: { from, user, item, label } }, { seed: 1 });
console.log(table);

const items = dataset.items.keys.values.slice(1, 4);
const [best, worst] = [Math.max, Math.min].map((of) => dataset.label.reduce((a, b) => of(a, b)));
const me = await learner.adapt({ items, labels: [best, best, worst] });
console.log(`who likes ${items[0]} and ${items[1]}, but not ${items[2]}:`);
for (const { item, score } of await me.recommend({ count: 5 })) console.log(item, score.toFixed(2));
