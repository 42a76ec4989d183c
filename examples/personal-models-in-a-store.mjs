// Personal models in a store beside the process, such as Redis: adapted once, restored by any process with the same model file:
//   node examples/personal-models-in-a-store.mjs model.safetensors
import { loadLearner } from 'innerloop';

// As the client of Redis has them: `await createClient().connect()` stands in its place.
const kept = new Map();
const store = { get: async (key) => kept.get(key) ?? null, set: async (key, text) => void kept.set(key, text) };

const learner = await loadLearner(process.argv[2]);
async function person(id) {
  const text = await store.get(`person:${id}`);
  if (text === null) return learner.adapt({ items: [], labels: [] });
  try {
    return learner.restore(JSON.parse(text));
  } catch (error) {
    // Of an earlier model: the interactions are in it, and adapting anew takes a tenth of a millisecond.
    if (error.code !== 'MODEL_FILE') throw error;
    return learner.adapt(JSON.parse(text).support);
  }
}
async function rated(id, item, label) {
  const me = await (await person(id)).update(item, label);
  await store.set(`person:${id}`, JSON.stringify(me));
}

const items = learner.catalog.items.keys.values.slice(1, 5);
for (const [k, item] of items.entries()) await rated('ann', item, k === 0 ? 5 : 3);
const bytes = (await store.get('person:ann')).length;
const list = await (await person('ann')).recommend({ count: 3 });
console.log(`${bytes} bytes; ${list.map(({ item, score }) => `${item} ${score.toFixed(2)}`).join(', ')}`);
const restart = await loadLearner(process.argv[2]);
const again = await restart.restore(JSON.parse(await store.get('person:ann'))).recommend({ count: 3 });
console.log(list.every(({ score }, k) => score === again[k].score) ? 'the same after a restart' : 'another list');
