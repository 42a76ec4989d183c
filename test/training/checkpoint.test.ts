/** Checkpoints and saved learners: of another run, in use, of a killed process, and damaged. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import type { TaskSet } from '../../lib/foundation/contract.js';
import type { Learner } from '../../lib/learner/learner.js';
import { adam } from '../../lib/meta/outer-update.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { random } from '../../lib/foundation/random.js';
import { decodeSafetensors } from '../../lib/files/safetensors.js';
import { encodeSealed } from '../../lib/files/sealed.js';
import { train } from '../../lib/training/train.js';
import type { TrainOptions } from '../../lib/training/train.js';
import { folder, isTyped, learnerOf, make, path, rejects, run, tiny } from '../fixtures/family.js';

// ------------------------------------------------------------------------------------------ checkpoints

test('a checkpoint of another run is refused', async () => {
  const checkpoint = path();
  await run(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 1 });
  const others: [string, () => Learner, TaskSet, TrainOptions][] = [
    ['another algorithm', () => learnerOf(make('fomaml')), tiny.train, { epochs: 1 }],
    ['another inner rate', () => learnerOf(make('maml', { learningRate: 0.2 })), tiny.train, { epochs: 1 }],
    ['another seed', () => learnerOf(make('maml'), {}, { seed: 4 }), tiny.train, { epochs: 1 }],
    [
      'another optimizer',
      () => learnerOf(make('maml'), {}, { optimizer: adam({ learningRate: 0.02 }) }),
      tiny.train,
      { epochs: 1 },
    ],
    ['another precision', () => learnerOf(make('maml'), { precision: 'float64' }), tiny.train, { epochs: 1 }],
    ['another batch size', () => learnerOf(make('maml')), tiny.train, { epochs: 1, metaBatch: 9 }],
    ['other tasks', () => learnerOf(make('maml')), tiny.test, { epochs: 1 }],
    ['validation', () => learnerOf(make('maml')), tiny.train, { epochs: 1, validation: tiny.validation }],
    ['hidden ids', () => learnerOf(make('maml')), tiny.train, { epochs: 1, hide: { item: 0.1 } }],
  ];
  for (const [what, learner, tasks, options] of others) {
    await assert.rejects(
      run(learner(), tasks, { ...options, checkpoint }),
      (error: unknown) => isTyped(error, 'MODEL_FILE', /belongs to another run/),
      what,
    );
  }
  const validated = path();
  await run(learnerOf(make('maml')), tiny.train, { checkpoint: validated, epochs: 2, validation: tiny.validation });
  await rejects(
    run(learnerOf(make('maml')), tiny.train, { checkpoint: validated, epochs: 2, validation: tiny.test }),
    'MODEL_FILE',
    /another/,
  );
  const file = path();
  await saveLearner(learnerOf(make('maml')), file);
  await rejects(run(learnerOf(make('maml')), tiny.train, { checkpoint: file }), 'MODEL_FILE', /not a checkpoint/);
  await rejects(loadLearner(checkpoint), 'MODEL_FILE', /not a learner/);
  await rejects(loadLearner(join(folder, 'none')), 'MISSING_FILE');
});

test('a checkpoint whose epochs contradict each other is refused: it would train for ever', async () => {
  const checkpoint = path();
  const options = { epochs: 1, validation: tiny.validation };
  await run(learnerOf(make('maml')), tiny.train, { ...options, checkpoint });
  const { tensors, metadata } = decodeSafetensors(readFileSync(checkpoint), 'checkpoint');
  const state = JSON.parse(metadata['run']) as Record<string, unknown>;
  for (const wrong of [{ start: 2 ** 52 }, { start: -1 }, { epoch: 2 ** 53 - 1 }, { epoch: 0.5 }, { bestEpoch: 2 }]) {
    const text = JSON.stringify({ ...state, ...wrong });
    writeFileSync(checkpoint, Buffer.concat(encodeSealed(tensors, { ...metadata, run: text })));
    await rejects(
      run(learnerOf(make('maml')), tiny.train, { ...options, checkpoint }),
      'MODEL_FILE',
      /the record of the run is damaged/,
    );
  }
});

test('a checkpoint of a finished run goes on to more epochs, to the bytes of a run that was never shorter', async () => {
  const checkpoint = path();
  const options = { validation: tiny.validation, keep: 'last', metaBatch: 8 } as const;
  await run(learnerOf(make('maml')), tiny.train, { ...options, checkpoint, epochs: 2 });
  const longer = learnerOf(make('maml'));
  const epochs: number[] = [];
  for await (const { epoch } of train(longer, tiny.train, { ...options, checkpoint, epochs: 5 })) epochs.push(epoch);
  assert.deepEqual(epochs, [3, 4, 5]);
  const whole = learnerOf(make('maml'));
  await run(whole, tiny.train, { ...options, epochs: 5 });
  assert.deepEqual(longer.parameters(), whole.parameters());
});

test('a checkpoint of another run is refused with the option that differs', async () => {
  const checkpoint = path();
  await run(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 1, validation: tiny.validation });
  await rejects(
    run(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 1, validation: tiny.validation, patience: 3 }),
    'MODEL_FILE',
    /training\.patience was 0 there and is 3 here/,
  );
  await rejects(
    run(learnerOf(make('maml', { steps: 7 })), tiny.train, { checkpoint, epochs: 1, validation: tiny.validation }),
    'MODEL_FILE',
    /algorithm\.steps was 3 there and is 7 here/,
  );
  await rejects(
    run(learnerOf(make('maml')), tiny.test, { checkpoint, epochs: 1, validation: tiny.validation }),
    'MODEL_FILE',
    /its data or its tasks are others/,
  );
});

test('two runs on one checkpoint are refused', async () => {
  const checkpoint = path();
  const first = train(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 3, metaBatch: 8 });
  await first.next();
  await rejects(run(learnerOf(make('maml')), tiny.train, { checkpoint }), 'IO', /locked by this very process/);
  await first.return(undefined);
  await run(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 3 });

  const script = `
    import { lockFile } from ${JSON.stringify(new URL('../../lib/files/durable.js', import.meta.url).href)};
    await lockFile(${JSON.stringify(checkpoint)}); console.log('locked'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await new Promise((done) => holder.stdout.once('data', done));
    await rejects(
      run(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 3 }),
      'IO',
      new RegExp(`locked by another process: pid ${holder.pid}`),
    );
  } finally {
    holder.kill('SIGKILL');
  }
  await new Promise((done) => holder.once('exit', done));
  await run(learnerOf(make('maml')), tiny.train, { checkpoint, epochs: 3 }); // a dead holder's lock is taken over
});

test('a process killed at any time resumes to the same bytes', async () => {
  const checkpoint = path();
  const script = (epochs: string) => `
    import * as il from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)};
    const n = 900; const dataset = il.datasetFromColumns({ user: Array.from({ length: n }, (_, i) => i % 45), item: Array.from({ length: n }, (_, i) => Math.floor(i / 45)), label: Array.from({ length: n }, (_, i) => Math.sin(i)) });
    const tasks = il.buildTasks(dataset, { query: 5 });
    const model = il.defineModel({ inputs: il.describeInputs(dataset, [{ name: 'item', dim: 4 }], tasks.queryRows), body: { kind: 'mlp', hidden: [8] }, head: { loss: 'mse' } });
    const learner = il.createLearner({ model, algorithm: il.maml({ steps: 2, learningRate: 0.1, rates: 'perStep' }) });
    for await (const { epoch } of il.train(learner, tasks, { epochs: 60, metaBatch: 8, checkpoint: ${epochs} })) console.log(epoch);
    console.log(Buffer.from(learner.parameters()['embedding.item.weight'].data.buffer).toString('base64'));`;
  const start = (epochs: string) => ['--input-type=module', '-e', script(epochs)];
  const whole = spawnSync(process.execPath, start('undefined'), { encoding: 'utf8' });
  assert.equal(whole.status, 0, whole.stderr);
  let killed = 0;
  for (let attempt = 0; ; attempt++) {
    assert.ok(attempt < 12);
    const child = spawn(process.execPath, start(JSON.stringify(checkpoint)), { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const first = text === '';
      text += chunk.toString();
      if (first && attempt < 4) setTimeout(() => child.kill('SIGKILL'), 20 * attempt);
    });
    const signal = await new Promise((done) => child.once('close', (_, s) => done(s)));
    if (signal === 'SIGKILL') killed++;
    else {
      assert.equal(text.trim().split('\n').at(-1), whole.stdout.trim().split('\n').at(-1));
      break;
    }
  }
  assert.ok(killed > 0, 'no run was killed');
});

// ------------------------------------------------------------------------------------------ damage

const TRIALS = 200;

/** Files cut short, with bytes changed, or with bytes in between; `load` must answer with MODEL_FILE. */
async function damage(file: string, load: (damaged: string) => Promise<unknown>, seed: number): Promise<void> {
  const bytes = readFileSync(file);
  const header = Number(bytes.readBigUInt64LE(0)) + 8;
  const stream = random(seed, 'damage');
  let refused = 0;
  for (let trial = 0; trial < TRIALS; trial++) {
    let damaged = Buffer.from(bytes);
    const kind = trial % 4;
    if (kind === 0) damaged = damaged.subarray(0, stream.below(bytes.length));
    else if (kind === 1)
      damaged = Buffer.concat([
        damaged.subarray(0, stream.below(bytes.length)),
        Buffer.from('x'),
        damaged.subarray(stream.below(bytes.length)),
      ]);
    else {
      // Half of the changes in the header, where the structure is.
      for (let n = 1 + stream.below(3); n > 0; n--)
        damaged[kind === 2 ? stream.below(header) : stream.below(bytes.length)] ^= 1 << stream.below(8);
    }
    const target = path();
    writeFileSync(target, damaged);
    try {
      await load(target);
    } catch (error) {
      isTyped(error, 'MODEL_FILE');
      refused++;
    } finally {
      rmSync(target);
    }
  }
  assert.equal(refused, TRIALS);
}

test('a damaged learner file is refused', async () => {
  const learner = learnerOf(make('maml', { rates: 'perStep' }));
  await run(learner, tiny.train, { epochs: 1 });
  const file = path();
  await saveLearner(learner, file);
  await damage(
    file,
    async (damaged) => {
      const loaded = await loadLearner(damaged);
      assert.equal((await loaded.outputs(tiny.test, 'before')).length, tiny.test.queryRows.length);
    },
    1,
  );
});

test('a damaged checkpoint is refused', async () => {
  const file = path();
  const options = { epochs: 2, validation: tiny.validation } as const;
  const learner = () => learnerOf(make('maml', { rates: 'perStep' }));
  await run(learner(), tiny.train, { ...options, checkpoint: file });
  await damage(file, (damaged) => run(learner(), tiny.train, { ...options, checkpoint: damaged }), 2);
});

test('a checkpoint whose arrays do not fit is refused', async () => {
  const file = path();
  const learner = () => learnerOf(make('maml', { rates: 'perStep' }));
  await run(learner(), tiny.train, { epochs: 1, checkpoint: file });
  const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
  // Arrays of another length, not a damaged file.
  for (const [name, { data }] of Object.entries(tensors)) {
    for (const length of [data.length + 1, data.length - 1, 0]) {
      const changed = data instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);
      writeFileSync(
        file,
        Buffer.concat(encodeSealed({ ...tensors, [name]: { shape: [length], data: changed } }, metadata)),
      );
      const resumed = run(learner(), tiny.train, { epochs: 1, checkpoint: file });
      if (name.endsWith('.step') && length > 0) await resumed;
      else await assert.rejects(resumed, (error: unknown) => isTyped(error, 'MODEL_FILE'), `${name} of ${length}`);
    }
  }
});
