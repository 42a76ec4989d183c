/** Every export of the package, called with garbage: it answers with an `InnerloopError` or does something, never with a raw error. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { test } from 'tap';
import * as L from '../../lib/index.js';

// Some garbage is a good name of a file.
const folder = mkdtempSync(join(tmpdir(), 'innerloop-errors-'));
process.chdir(folder);
process.on('exit', () => {
  process.chdir(tmpdir());
  rmSync(folder, { recursive: true, force: true });
});

const CLASSES = [
  'Ensemble',
  'InnerloopError',
  'Learner',
  'Model',
  'PersonalEnsemble',
  'PersonalModel',
  'ResidentParameters',
  'TaskBatch',
];
const exported = Object.entries(L).filter(
  ([name, value]) => typeof value === 'function' && !CLASSES.includes(name),
) as unknown as [string, (...args: unknown[]) => unknown][];

const GARBAGE: unknown[] = [
  undefined,
  null,
  true,
  NaN,
  -1,
  2 ** 53,
  '',
  'none',
  {},
  [],
  [null],
  [{}],
  { length: 1e9 },
  { size: 3, dataset: {} },
  10n,
  () => undefined,
  new Float32Array(2),
  Object.create(null),
];

/** The message of a raw error, if the call ends with one. */
async function raw(call: (...args: unknown[]) => unknown, args: unknown[]): Promise<string | undefined> {
  try {
    const result = await call(...args);
    if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
      await (result as AsyncIterable<unknown>)[Symbol.asyncIterator]().next();
  } catch (error) {
    if (!(error instanceof L.InnerloopError)) return String((error as Error)?.stack ?? error).slice(0, 300);
  }
  return undefined;
}

for (const [name, call] of exported) {
  test(`${name}: garbage for every argument is refused by an InnerloopError`, async () => {
    const started = performance.now();
    for (const [k, junk] of GARBAGE.entries()) {
      for (const args of [[junk], [junk, junk], [junk, junk, junk], [{}, junk], [{}, {}, junk]])
        assert.equal(await raw(call, args), undefined, `garbage ${k}, ${args.length} arguments`);
    }
    assert.ok(performance.now() - started < 60_000, 'a call went on and on');
  });
}

test('typed arrays of another realm are those of this one', async () => {
  const foreign = (source: string): Float64Array => vm.runInNewContext(source) as Float64Array;
  const [labels, scores] = [Float32Array.of(1, 2, 3), foreign('Float64Array.of(3, 2, 1)')];
  assert.ok(!(scores instanceof Float64Array));
  assert.equal(L.metricOf('ndcg@3', labels, scores), L.metricOf('ndcg@3', labels, Float64Array.of(3, 2, 1)));
  assert.deepEqual(L.meanInterval(foreign('Float64Array.of(1, 2)')), L.meanInterval(Float64Array.of(1, 2)));
  const model = L.defineModel(
    { inputs: [{ name: 'x', kind: 'dense', size: 1 }], body: { kind: 'mlp', hidden: [] }, head: { loss: 'mse' } },
    { precision: 'float64' },
  );
  const params = model.initialize(1);
  const same = Object.fromEntries(
    Object.entries(params).map(([name, { shape, data }]) => [
      name,
      { shape, data: foreign(`Float64Array.of(${Array.from(data).join()})`) },
    ]),
  );
  const rows = { inputs: { x: [[1], [2]] } };
  assert.deepEqual(await L.predict(model, same, rows), await L.predict(model, params, rows));
});

test('a weight that is none is refused with its row', async () => {
  const dataset = L.datasetFromColumns({ user: ['a', 'a', 'b'], item: [1, 2, 1], label: [1, 2, 3] });
  for (const bad of [-1, NaN, Infinity]) {
    const weighed = { ...dataset, weight: Float32Array.of(1, bad, 1) };
    assert.throws(
      () => L.buildTasks(weighed, { query: 1 }),
      (error) =>
        error instanceof L.InnerloopError && error.code === 'INVALID_DATA' && error.field === 'dataset.weight[1]',
    );
  }
});
