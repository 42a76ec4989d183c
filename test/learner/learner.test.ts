/** The contract of every algorithm: it learns, repeats, resumes, saves, and says what is wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';
import { globalMean } from '../../lib/baselines/global-mean.js';
import type { TaskSet } from '../../lib/foundation/contract.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { describeInputs } from '../../lib/batch/features.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { random } from '../../lib/foundation/random.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import type { EpochReport } from '../../lib/training/train.js';
import {
  canDiverge,
  folder,
  isClosedForm,
  isTyped,
  ITEMS,
  learnerOf,
  make,
  NAMES,
  path,
  ratesOf,
  ratings,
  refuses,
  rejects,
  run,
  sameState,
  stage,
  stagesOf,
  tiny,
} from '../fixtures/family.js';

const means = async (learner: Learner, { dataset, trainRows, test: tasks }: typeof ratings, metric: string) => {
  const { methods } = await evaluate(learner, tasks, {
    metrics: [metric],
    baselines: [globalMean(dataset, trainRows)],
  });
  return methods.map(({ metrics }) => metrics[metric]?.mean);
};

// ------------------------------------------------------------------------------------------ the contract

for (const name of NAMES) {
  const { ratings, tiny, metric, labels } = stagesOf(name);

  test(`${name}: learns users it never met`, async () => {
    const learner = learnerOf(make(name), { at: ratings });
    const reports = await run(learner, ratings.train, { epochs: 25 });
    assert.ok(
      reports.at(-1)!.loss < reports[0].loss,
      `the loss went from ${reports[0].loss} to ${reports.at(-1)!.loss}`,
    );
    // Joint training never adapts: it learns the average user.
    if (name === 'joint') return;
    const [before, after, mean] = await means(learner, ratings, metric);
    assert.ok(after < 0.75 * before, `${after} adapted, ${before} not`);
    // Of a constant there is no log loss.
    if (mean !== undefined) assert.ok(after < 0.75 * mean, `${after} against ${mean} of the global mean`);
  });

  test(`${name}: the same bytes on any number of threads, in both precisions`, async () => {
    for (const precision of ['float32', 'float64'] as const) {
      for (const rates of ratesOf(name)) {
        const own = () => make(name, rates === 'fixed' ? {} : { rates });
        const one = learnerOf(own(), { precision, threads: 1 });
        const reports = await run(one, tiny.train);
        for (const threads of [2, 4]) {
          const other = learnerOf(own(), { precision, threads });
          assert.deepEqual(
            (await run(other, tiny.train)).map(({ loss }) => loss),
            reports.map(({ loss }) => loss),
          );
          sameState(other, one, `${precision}, ${rates}, ${threads} threads`);
        }
      }
    }
  });

  test(`${name}: stopped anywhere and resumed, the same bytes`, async () => {
    for (const rates of ratesOf(name)) {
      const algorithm = make(name, rates === 'fixed' ? {} : { rates });
      const options = { epochs: 6, validation: tiny.validation, hide: { item: 0.3 } };
      const whole = learnerOf(algorithm);
      const expected = await run(whole, tiny.train, options);
      const checkpoint = path();
      const stream = random(9, name);
      const seen: EpochReport[] = [];
      let last: Learner | undefined;
      for (let attempt = 0; attempt < 40; attempt++) {
        const controller = new AbortController();
        last = learnerOf(algorithm, { threads: 1 + (attempt % 3) });
        // Some stop within a step of an epoch, some between epochs; the chance to reach the end grows.
        let steps = 1 + stream.below(4 + attempt);
        try {
          const onProgress = () => --steps <= 0 && controller.abort();
          for await (const report of train(last, tiny.train, {
            ...options,
            metaBatch: 8,
            checkpoint,
            signal: controller.signal,
            onProgress,
          }))
            seen.push(report);
          break;
        } catch (error) {
          isTyped(error, 'ABORTED');
        }
      }
      assert.deepEqual(
        seen.map(({ epoch, loss, validation, best }) => [epoch, loss, validation, best]),
        expected.map(({ epoch, loss, validation, best }) => [epoch, loss, validation, best]),
      );
      sameState(last!, whole, `${rates}`);
      const again = learnerOf(algorithm);
      assert.deepEqual(
        await run(again, tiny.train, { ...options, checkpoint }),
        [],
        'a finished run has nothing to do',
      );
      sameState(again, whole, `${rates}, after the end`);
    }
  });

  test(`${name}: a saved learner predicts and trains on to the bit`, async () => {
    for (const rates of ratesOf(name)) {
      const learner = learnerOf(make(name, rates === 'fixed' ? {} : { rates }));
      await run(learner, tiny.train, { epochs: 2 });
      const file = path();
      await saveLearner(learner, file);
      const loaded = await loadLearner(file, { threads: 1 });
      sameState(loaded, learner, rates);
      assert.deepEqual(loaded.algorithm, learner.algorithm);
      for (const when of ['before', 'after'] as const)
        assert.deepEqual(await loaded.outputs(tiny.test, when), await learner.outputs(tiny.test, when));
      const support = { items: [1, 5, 7], labels };
      const [a, b] = await Promise.all(
        [learner, loaded].map(async (l) => (await l.adapt(support)).recommend({ count: 40 })),
      );
      assert.deepEqual(a, b);
      assert.deepEqual(await learner.adaptSync(support).recommend({ count: 40 }), a, 'at once');
      await saveLearner(loaded, `${file}2`);
      assert.ok(readFileSync(file).equals(readFileSync(`${file}2`)), 'saved twice');
      await Promise.all([learner, loaded].map((l) => run(l, tiny.train, { epochs: 1 })));
      sameState(loaded, learner, `${rates}, trained on`);
    }
  });

  test(`${name}: options are checked by name`, async () => {
    const factory = (options: object) => () => (ALGORITHMS[name] as (o: object) => Algorithm)(options);
    refuses(factory({ stepps: 3 }), 'UNKNOWN_OPTION', new RegExp(`${name}\\.stepps`));
    for (const options of [null, 3, []]) refuses(factory(options as object), 'INVALID_OPTION');
    if (isClosedForm(name)) return;
    refuses(factory({ learningrate: 3 }), 'UNKNOWN_OPTION', /did you mean learningRate\?/);
    for (const steps of [-1, 0.5, NaN, '3'])
      refuses(factory({ steps }), 'INVALID_OPTION', new RegExp(`${name}\\.steps`));
    for (const learningRate of [0, -1, NaN, Infinity, '1'])
      refuses(factory({ learningRate }), 'INVALID_OPTION', new RegExp(`${name}\\.learningRate`));
    for (const shrinkage of [-1, NaN])
      refuses(factory({ shrinkage }), 'INVALID_OPTION', new RegExp(`${name}\\.shrinkage`));
    for (const adapt of ['some', [3], ['']])
      refuses(factory({ adapt }), 'INVALID_OPTION', new RegExp(`${name}\\.adapt`));
    refuses(() => learnerOf(make(name, { adapt: ['mlp.9.*'] })), 'UNKNOWN_OPTION', new RegExp(`${name}\\.adapt`));
    if (ratesOf(name).length > 1)
      refuses(factory({ rates: 'perTensor' }), 'INVALID_OPTION', new RegExp(`${name}\\.rates`));
    if (name === 'maml') refuses(factory({ order: 3 }), 'INVALID_OPTION', /maml\.order/);
  });

  if (canDiverge(name)) {
    test(`${name}: divergence names the task and leaves finite parameters`, async () => {
      for (const rates of ratesOf(name)) {
        const learner = learnerOf(
          make(name, { learningRate: 1e6, steps: 8, adapt: 'all', ...(rates === 'fixed' ? {} : { rates }) }),
        );
        await rejects(run(learner, tiny.train), 'DIVERGED', /epoch 1, step \d+, task \d+/);
        for (const [tensor, { data }] of Object.entries(learner.parameters()))
          assert.ok(data.every(Number.isFinite), tensor);
        await rejects(learner.outputs(tiny.test, 'after'), 'DIVERGED', /task \d+/);
        await rejects(evaluate(learner, tiny.test, { metrics: ['mae'] }), 'DIVERGED', /task \d+/);
        learner.catalog ??= tiny.dataset;
        await rejects(learner.adapt({ items: [1, 2], labels: [5, 1] }), 'DIVERGED');
      }
    });
  }
}

// ------------------------------------------------------------------------------------------ the other heads

test('clicks and classes are learned too', async () => {
  const clicks = stage('bce');
  const click = learnerOf(make('maml', { learningRate: 0.5 }), { head: { loss: 'bce' }, at: clicks });
  await run(click, clicks.train, { epochs: 20, validation: clicks.validation });
  const { methods } = await evaluate(click, clicks.test, { metrics: ['logloss', 'auc'] });
  assert.ok(methods[1].metrics['logloss'].mean < 0.85 * methods[0].metrics['logloss'].mean);
  assert.ok(methods[1].metrics['auc'].mean > 0.75, `auc ${methods[1].metrics['auc'].mean}`);
  assert.ok(methods[1].scores.every((p) => p > 0 && p < 1));

  const classes = stage('softmax');
  const classifier = learnerOf(make('fomaml', { learningRate: 0.5 }), {
    head: { loss: 'softmax', classes: 3 },
    at: classes,
  });
  const reports = await run(classifier, classes.train, { epochs: 20 });
  assert.ok(reports.at(-1)!.loss < 0.85 * Math.log(3), `loss ${reports.at(-1)!.loss}`);
});

test('labels that do not fit the loss are refused by row', async () => {
  for (const head of [{ loss: 'bce' }, { loss: 'softmax', classes: 3 }] as const) {
    await rejects(
      run(learnerOf(make('maml'), { head }), tiny.train),
      'INVALID_DATA',
      new RegExp(`row \\d+ does not fit the loss ${head.loss}`),
    );
  }
  const clicks = stage('bce', 40);
  const two = clicks.dataset.label.slice();
  two[clicks.validation.queryRows[0]] = 2;
  const learner = learnerOf(make('maml'), { head: { loss: 'bce' }, at: clicks });
  await run(learner, clicks.train, { epochs: 1 });
  await rejects(learner.adapt({ items: [1], labels: [2] }), 'INVALID_OPTION', /support\.labels\[0\]/);
});

test('an algorithm that needs another model says so', async () => {
  for (const name of NAMES.filter((each) => ['ridge', 'laplace'].includes(make(each).solver))) {
    const model = defineModel({
      inputs: describeInputs(tiny.dataset, [{ name: 'traits' }], tiny.trainRows),
      body: { kind: 'mlp', hidden: [] },
      head: { loss: make(name).solver === 'ridge' ? 'bce' : 'mse' },
    });
    refuses(() => createLearner({ model, algorithm: make(name) }), 'INVALID_OPTION', /model\.head\.loss/);
  }
});

// ------------------------------------------------------------------------------------------ training

test('a learner without an optimizer gets Adam, and Reptile its own, whose first step ends at the mean of what tasks came to', async () => {
  const { model } = learnerOf(make('maml'));
  assert.equal(createLearner({ model, algorithm: make('maml') }).optimizer.name, 'adam');
  const learner = createLearner({ model, algorithm: make('reptile'), seed: 3 });
  const { name, learningRate, schedule } = learner.optimizer;
  assert.deepEqual({ name, learningRate, schedule }, { name: 'sgd', learningRate: 1, schedule: 'linear' });
  // At a rate half as large a step goes half as far, from the same start and on the same tasks.
  const half = createLearner({ model, algorithm: make('reptile'), optimizer: sgd({ learningRate: 0.5 }), seed: 3 });
  const weight = 'mlp.0.weight';
  const start = learner.parameters();
  for (const each of [learner, half]) await run(each, tiny.train, { epochs: 1, metaBatch: tiny.train.size });
  const [whole, halfway] = [learner, half].map((each) => each.parameters());
  const moved = (to: typeof start) => Array.from(to[weight].data, (x, i) => x - start[weight].data[i]);
  const [far, near] = [moved(whole), moved(halfway)];
  assert.ok(far.some((x) => Math.abs(x) > 1e-4));
  far.forEach((x, i) => assert.ok(Math.abs(x - 2 * near[i]) <= 1e-6, `${x} is not twice ${near[i]}`));
});

test('learner and training options are checked by name', async () => {
  const learner = learnerOf(make('maml'));
  const { model } = learner;
  const bad = (options: object) => () => createLearner({ model, algorithm: make('maml'), ...options });
  refuses(bad({ optimiser: adam() }), 'UNKNOWN_OPTION', /learner\.optimiser.*did you mean optimizer\?/);
  refuses(bad({ seed: -1 }), 'INVALID_OPTION', /learner\.seed/);
  refuses(bad({ model: {} }), 'INVALID_OPTION', /model/);
  refuses(bad({ algorithm: 'maml' }), 'INVALID_OPTION', /learner\.algorithm/);
  refuses(bad({ optimizer: {} }), 'INVALID_OPTION', /learner\.optimizer/);
  refuses(bad({ optimizer: null }), 'INVALID_OPTION', /learner\.optimizer/);
  refuses(bad({ parameters: {} }), 'INVALID_OPTION', /parameters\.embedding\.item\.weight/);
  refuses(bad({ optimizer: adam({ weightDecay: { 'mpl.*': 1 } }) }), 'UNKNOWN_OPTION', /optimizer\.weightDecay/);
  const bads: [Record<string, unknown>, ErrorCode, RegExp][] = [
    [{ epoch: 3 }, 'UNKNOWN_OPTION', /train\.epoch.*did you mean epochs\?/],
    [{ epochs: 0 }, 'INVALID_OPTION', /train\.epochs/],
    [{ metaBatch: 0.5 }, 'INVALID_OPTION', /train\.metaBatch/],
    [{ redraw: 1 }, 'INVALID_OPTION', /train\.redraw/],
    [{ hide: { items: 1 } }, 'UNKNOWN_OPTION', /train\.hide\.items.*did you mean item\?/],
    [{ hide: { item: 1 } }, 'INVALID_OPTION', /train\.hide\.item/],
    [{ patience: 1 }, 'INVALID_OPTION', /train\.patience/],
    [{ patience: 0, validation: tiny.validation }, 'INVALID_OPTION', /train\.patience/],
    [{ metric: 'gain' }, 'UNKNOWN_OPTION', /gain/],
    [{ metric: 'map' }, 'INVALID_OPTION', /map@k/],
    [{ validation: [] }, 'INVALID_OPTION', /train\.validation/],
    [{ checkpoint: 7 }, 'INVALID_OPTION', /train\.checkpoint/],
    [{ signal: {} }, 'INVALID_OPTION', /train\.signal/],
    [{ checkpoint: join(folder, 'no', 'folder') }, 'IO', /folder/],
  ];
  for (const [options, code, pattern] of bads) await rejects(run(learner, tiny.train, options), code, pattern);
  await rejects(run(learner, {} as TaskSet), 'INVALID_OPTION', /tasks/);
  await rejects(run({} as Learner, tiny.train), 'INVALID_OPTION', /learner/);
});

test('early stopping ends with the best epoch', async () => {
  // A rate so high that validation worsens at some epoch.
  const fast = (epochs: number, patience?: number) => {
    const learner = learnerOf(make('maml'), {}, { optimizer: adam({ learningRate: 0.08 }) });
    return { learner, reports: run(learner, tiny.train, { epochs, patience, validation: tiny.validation }) };
  };
  const { learner, reports } = fast(40, 3);
  const seen = await reports;
  const best = seen.reduce((a, b) => (b.validation! < a.validation! ? b : a));
  assert.ok(seen.length < 40 && seen.length === best.epoch + 3, `${seen.length} epochs, best ${best.epoch}`);
  assert.deepEqual(seen.filter(({ best: b }) => b).at(-1), best);
  const [, after] = (await evaluate(learner, tiny.validation, { metrics: ['mae'] })).methods;
  assert.equal(after.metrics['mae'].mean, best.validation);
});

test('hidden ids teach the model what to do with unseen items', async () => {
  const { dataset } = ratings;
  // Training never meets the last ten items; the tasks of the test do.
  const old = Int32Array.from(ratings.trainRows.filter((row) => dataset.item[row] <= ITEMS - 10));
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 8 }, { name: 'traits' }], old);
  assert.ok(inputs[0].kind === 'categorical' && inputs[0].cardinality === ITEMS - 9);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [16], activation: 'tanh' }, head: { loss: 'mse' } });
  const { sets } = splitTasks(dataset, { protocol: 'users', seed: 1, tasks: { query: 4 } });
  const results: number[] = [];
  for (const hide of [undefined, { item: 0.5 }]) {
    const learner = createLearner({ model, algorithm: make('maml'), optimizer: adam({ learningRate: 0.01 }), seed: 3 });
    await run(learner, sets['train'], { epochs: 10, hide });
    const me = await learner.adapt({ items: [0, 1, 2, 3, 4, 5], labels: [5, 1, 3, 2, 4, 1] });
    const scores = await me.predict(Array.from({ length: ITEMS }, (_, i) => i));
    assert.ok(scores.every(Number.isFinite));
    assert.ok(new Set(scores.subarray(ITEMS - 10)).size === 10, 'unseen items are told apart by their features');
    results.push(scores[0]);
  }
  assert.notEqual(results[0], results[1]);
});
