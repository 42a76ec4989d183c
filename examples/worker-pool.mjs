// A pool of worker threads, each with the model; personal models travel between threads as plain data:
//   node examples/worker-pool.mjs model.safetensors [workers]
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loadLearner } from 'innerloop';

if (isMainThread) {
  const [, , model, size = availableParallelism()] = process.argv;
  const idle = Array.from({ length: Number(size) }, () => new Worker(new URL(import.meta.url), { workerData: model }));
  const [all, waiting] = [[...idle], []];
  const adapt = async (support) => {
    const worker = idle.pop() ?? (await new Promise((free) => waiting.push(free)));
    try {
      return await new Promise((done, failed) => {
        worker.once('message', ({ error, json }) => (error === undefined ? done(json) : failed(new Error(error))));
        worker.postMessage(support);
      });
    } finally {
      if (waiting.length > 0) waiting.shift()(worker);
      else idle.push(worker);
    }
  };
  const learner = await loadLearner(model);
  const ids = learner.catalog.items.keys.values.slice(1, 41);
  const people = await Promise.all(ids.map((id) => adapt({ items: [id], labels: [5] })));
  const [first] = await learner.restore(people[0]).recommend({ count: 1 });
  console.log(`${people.length} people by ${all.length} threads; to the first: ${first.item}`);
  await Promise.all(all.map((worker) => worker.terminate()));
} else {
  const learner = await loadLearner(workerData, { threads: 1 });
  parentPort.on('message', async (support) => {
    const answer = await learner.adapt(support).then(
      (me) => ({ json: me.toJSON() }),
      ({ message }) => ({ error: message }),
    );
    parentPort.postMessage(answer);
  });
}
