// Trains anew and swaps the model under a service that goes on answering; a failed or half-written training changes nothing:
//   node examples/nightly-retraining.mjs model.safetensors ratings.csv [user item rating]
import { once } from 'node:events';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { fit, loadLearner, saveLearner } from 'innerloop';

if (isMainThread) {
  const [, , path, from, user = 'userId', item = 'movieId', label = 'rating'] = process.argv;
  const retrain = async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { path, source: { from, user, item, label } } });
    const [code] = await once(worker, 'exit');
    if (code !== 0) throw new Error('the training failed; the old model goes on');
    return loadLearner(path);
  };
  let learner = await retrain();
  const [some] = learner.catalog.items.keys.values.slice(1);
  const answer = async () => (await learner.adapt({ items: [some], labels: [4] })).recommend({ count: 5 });
  // By cron or a timer every night; requests meanwhile are answered by the model of the day before.
  let swapped = false;
  const night = retrain().then((next) => {
    learner = next;
    swapped = true;
  });
  let during = 0;
  for (; !swapped; during++) {
    await answer();
    await new Promise((next) => setTimeout(next, 5));
  }
  await night;
  console.log(`${during} answers while it trained; now ${(await answer()).length} items of the new model`);
} else {
  const { path, source } = workerData;
  const { learner, evaluation } = await fit({ interactions: source }, { epochs: 5, seed: 1, baselines: false });
  // A gate: a model that adaptation makes no better on test users is not saved.
  const [before, after] = evaluation.methods;
  if (!(after.metrics.mae.mean < before.metrics.mae.mean)) throw new Error('not a model to serve');
  await saveLearner(learner, path);
}
