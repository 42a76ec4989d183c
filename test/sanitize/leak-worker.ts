/** node --expose-gc leak-worker.js <adaptations> <trainings>: resident memory after the first tenth and at the end, in bytes. */
import { learnerOf, make, ratings, run, stage } from '../fixtures/family.js';
import { random } from '../../lib/foundation/random.js';

const [adaptations, trainings] = process.argv.slice(2).map(Number);

async function settled(): Promise<number> {
  // Finalizers of native handles run in a later turn of the event loop than the collection that finds them.
  for (let i = 0; i < 4; i++) {
    globalThis.gc!();
    await new Promise((done) => setTimeout(done, 5));
  }
  return process.memoryUsage.rss();
}

const learner = learnerOf(make('maml', { adapt: 'all' }), { at: ratings });
await run(learner, ratings.train, { epochs: 1 });
const stream = random(1, 'leaks');
async function adaptOnce(): Promise<void> {
  const items = Array.from({ length: 1 + stream.below(20) }, () => stream.below(40));
  const me = await learner.adapt({ items: [...new Set(items)], labels: [...new Set(items)].map((i) => i % 5) });
  await me.recommend({ count: 3 });
}
/** Each with a dataset, a model and a learner of its own. */
async function trainOnce(n: number): Promise<void> {
  const own = stage('mse', 60);
  const rates = (['fixed', 'perParameter', 'perStep'] as const)[n % 3];
  await run(learnerOf(make('maml', { rates }), { at: own }), own.train, { epochs: 1, validation: own.validation });
}

const parts = 10;
let first = 0;
for (let part = 0; part < parts; part++) {
  for (let i = 0; i < adaptations / parts; i++) {
    await adaptOnce();
    if (i % 100 === 99) await settled();
  }
  for (let i = 0; i < trainings / parts; i++) await trainOnce(i);
  if (part === 0) first = await settled();
}
process.stdout.write(JSON.stringify({ first, last: await settled() }));
