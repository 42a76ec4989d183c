/** Every loss by its record: what the record says is what the core computes, what packs, what is measured and what is refused. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/index.js';
import { evaluate } from '../../lib/evaluation/index.js';
import { LIST_METRIC_NAMES, ROW_METRIC_NAMES } from '../../lib/evaluation/names.js';
import { isMeasured } from '../../lib/evaluation/metrics.js';
import type { HeadSpec, LossSpec, Rows } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { hessianVectorProduct } from '../../lib/meta/index.js';
import { LOSS_NAMES, lossOf, outputsOf } from '../../lib/model/losses.js';
import { defineModel } from '../../lib/model/index.js';
import { scoresOf } from '../../lib/model/scores.js';
import { learnerOf, make, refuses, rejects, run, stage } from '../fixtures/family.js';

const heads = LOSS_NAMES.flatMap((loss): LossSpec[] => {
  const { leastClasses } = lossOf({ loss } as LossSpec);
  return leastClasses === undefined
    ? [{ loss } as LossSpec]
    : [leastClasses, leastClasses + 1].map((classes) => ({ loss, classes }));
});
const titleOf = (head: LossSpec) => JSON.stringify(head);
const trainable = heads.filter((head) => !lossOf(head).isEmbedding);

/** A model whose outputs are its biases, and rows that have no say. */
function biasModel(head: LossSpec) {
  const model = defineModel(
    { inputs: [{ name: 'x', kind: 'dense', size: 1 }], body: { kind: 'mlp', hidden: [] }, head: head },
    { precision: 'float64', threads: 1 },
  );
  const params = (o: readonly number[]) => ({
    'mlp.0.weight': model.zeros([o.length, 1]),
    'mlp.0.bias': { shape: [o.length], data: Float64Array.from(o) },
  });
  return { model, params };
}
const row: Rows = { inputs: { x: [[1]] } };
const number = fc.double({ min: -4, max: 4, noNaN: true });
const labelOf = (head: LossSpec) =>
  'classes' in head
    ? fc.nat(head.classes - 1)
    : head.loss === 'mse'
      ? number
      : fc.double({ min: 0, max: 1, noNaN: true });

for (const head of heads) {
  const loss = lossOf(head);

  test(`${titleOf(head)}: labels that fit are packed, others are refused with what a label is`, async () => {
    const { model } = biasModel(head);
    const packed = (y: number) => {
      const rows = { ...row, labels: [y] };
      return packTasks(model, [{ support: rows, query: rows }]);
    };
    fc.assert(
      fc.property(fc.oneof(number, fc.integer({ min: -2, max: 5 }), fc.constantFrom(0, 1, 0.5, -0)), (y) => {
        if (loss.fits(y, head)) packed(y);
        else refuses(() => packed(y), 'INVALID_OPTION', new RegExp(loss.labels(head)));
      }),
      { numRuns: 60 },
    );
  });

  test(`${titleOf(head)}: what is measured by default can be measured`, async () => {
    assert.ok(loss.metrics.includes(loss.validation));
    assert.equal(loss.brief[0], loss.validation);
    for (const metric of [...loss.metrics, ...loss.brief]) assert.ok(isMeasured(loss.score(head), metric), metric);
  });

  const { rows } = loss;
  if (rows === undefined) continue;
  test(`${titleOf(head)}: the gradient of a row is that of the core`, async () => {
    const { model, params } = biasModel(head);
    const outputs = fc.array(number, { minLength: outputsOf(head), maxLength: outputsOf(head) });
    await fc.assert(
      fc.asyncProperty(outputs, labelOf(head), async (o, y) => {
        const { gradient } = await hessianVectorProduct(model, params(o), { ...row, labels: [y] }, params(o));
        const own = rows.gradient(o, y);
        Array.from(gradient['mlp.0.bias'].data).forEach((g, c) =>
          assert.ok(Math.abs(g - own[c]) <= 1e-12 * Math.max(1, Math.abs(g)), `${g} ${own[c]}`),
        );
      }),
      { numRuns: 50 },
    );
  });

  test(`${titleOf(head)}: the gradient of the score is the stated sum of gradients of the loss`, async () => {
    const outputs = fc.array(number, { minLength: outputsOf(head), maxLength: outputsOf(head) });
    const score = (o: readonly number[]) => scoresOf(head, o, 0)[0];
    fc.assert(
      fc.property(outputs, (o) => {
        const parts = rows.scoreParts(o);
        o.forEach((_, c) => {
          const moved = (by: number) => score(o.map((value, i) => (i === c ? value + by : value)));
          const numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
          const stated = parts.reduce((sum, { label, factor }) => sum + factor * rows.gradient(o, label)[c], 0);
          assert.ok(Math.abs(numeric - stated) <= 1e-7, `${numeric} ${stated}`);
        });
      }),
      { numRuns: 50 },
    );
  });

  const { cost } = rows;
  if (cost !== undefined)
    test(`${titleOf(head)}: a row costs least where its prediction is right`, async () => {
      fc.assert(
        fc.property(number, number, (right, o) => {
          const y = loss.link === 'logistic' ? 1 / (1 + Math.exp(-right)) : right;
          assert.ok(cost(right, y) <= cost(o, y) + 1e-12);
        }),
        { numRuns: 100 },
      );
    });
}

for (const head of trainable) {
  const loss = lossOf(head);
  test(`${titleOf(head)}: epochs are chosen by its own metric, and a metric that it cannot have is refused`, async () => {
    const at = stage(head.loss === 'softmax' && head.classes > 2 ? 'softmax' : head.loss === 'mse' ? 'mse' : 'bce', 40);
    const reported = async (metric?: string) => {
      const learner = learnerOf(make('maml'), { head, at });
      const reports = await run(learner, at.train, { epochs: 3, validation: at.validation, metric });
      return { learner, validation: reports.map(({ validation }) => validation) };
    };
    const [byDefault, named] = [await reported(), await reported(loss.validation)];
    assert.deepEqual(byDefault.validation, named.validation);
    const { methods } = await evaluate(byDefault.learner, at.test);
    assert.deepEqual(Object.keys(methods[1].metrics), loss.metrics);
    for (const name of ROW_METRIC_NAMES.map((each) => each.replace('@k', '@2'))) {
      const measured = evaluate(byDefault.learner, at.test, { metrics: [name] });
      const trained = () => run(learnerOf(make('maml'), { head, at }), at.train, { epochs: 1, metric: name });
      if (isMeasured(loss.score(head), name)) {
        await measured;
        await trained();
        continue;
      }
      const instead = new RegExp(`under loss ${head.loss}.*expected ${loss.metrics.join(', ')}`);
      await rejects(measured, 'INVALID_OPTION', instead);
      await rejects(trained(), 'INVALID_OPTION', new RegExp(`^train\\.metric.*${instead.source}`));
    }
    const list = LIST_METRIC_NAMES[0].replace('@k', '@2');
    await evaluate(byDefault.learner, at.test, { metrics: [list] });
    await rejects(run(byDefault.learner, at.train, { metric: list }), 'INVALID_OPTION', /train\.metric.*lists/);
  });
}

test('a loss is no function: the refusal says so', async () => {
  const head = { loss: () => 0 } as unknown as HeadSpec;
  assert.throws(
    () => defineModel({ inputs: [{ name: 'x', kind: 'dense', size: 1 }], body: { kind: 'mlp', hidden: [] }, head }),
    (error) => error instanceof InnerloopError && error.code === 'UNSUPPORTED' && error.field === 'model.head.loss',
  );
});
