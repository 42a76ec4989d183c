/** ONNX files, run by onnxruntime and checked by the package onnx: equal outputs, of models and of personal models. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { after, test } from 'tap';
import { laplace } from '../../lib/algorithms/laplace.js';
import { ridge } from '../../lib/algorithms/ridge.js';
import type { InputSpec, InputValues, ModelSpec } from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import { adapt, predict } from '../../lib/meta/index.js';
import { ACTIVATIONS } from '../../lib/model/layer-program.js';
import { exportOnnx, onnxModel } from '../../lib/serving/onnx.js';
import { saveLearner } from '../../lib/serving/persist.js';
import { servedLearner } from '../fixtures/catalog.js';
import { commandIn } from '../fixtures/command.js';
import { CASES, trained } from '../fixtures/every-model.js';
import { rejects } from '../fixtures/family.js';
import { anyShape, build, rows } from '../fixtures/random-model.js';

type RowInputs = Record<string, InputValues>;
const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'innerloop-onnx-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const python = [process.env['INNERLOOP_PYTHON'] ?? 'python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import numpy, onnx, onnxruntime'], { stdio: 'ignore' }).status === 0,
);
const skip =
  python === undefined &&
  'no Python with onnx and onnxruntime (pip install onnx onnxruntime; INNERLOOP_PYTHON names it)';

type Given = Record<string, { type: string; shape: number[]; data: number[] }>;

/** Differences by name, of all files in a folder. */
function differences(of: string): Map<string, number> {
  const script = join(root, 'test', 'fixtures', 'onnx_run.py');
  const { status, stdout, stderr } = spawnSync(python!, [script, of], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split('\n');
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function write(
  at: string,
  name: string,
  onnx: Uint8Array | undefined,
  inputs: Given,
  expected: ArrayLike<number>,
): void {
  if (onnx !== undefined) writeFileSync(join(at, `${name}.onnx`), onnx);
  writeFileSync(join(at, `${name}.json`), JSON.stringify({ inputs, expected: Array.from(expected) }));
}

/** Rows as the file takes them: lists with −1 after the last. */
function asGiven(inputs: readonly InputSpec[], values: RowInputs, count: number, floats: string): Given {
  return Object.fromEntries(
    inputs.map((input) => {
      const own = values[input.name];
      if (input.kind === 'categorical')
        return [input.name, { type: 'int64', shape: [count], data: [...(own as number[])] }];
      const lists = own as number[][];
      if (input.kind === 'dense') return [input.name, { type: floats, shape: [count, input.size], data: lists.flat() }];
      const longest = Math.max(1, ...lists.map(({ length }) => length));
      const data = lists.flatMap((list) => [...list, ...new Array<number>(longest - list.length).fill(-1)]);
      return [input.name, { type: 'int64', shape: [count, longest], data }];
    }),
  );
}

/** Of longer sequences than a model reads the newest ids. */
function shortened({ inputs }: ModelSpec, values: RowInputs): RowInputs {
  return Object.fromEntries(
    inputs.map((input) => [
      input.name,
      input.kind === 'sequence'
        ? (values[input.name] as number[][]).map((list) => list.slice(-input.maxLength))
        : values[input.name],
    ]),
  );
}

test('models of every body, shared and adapted, in both precisions', { skip }, async (t) => {
  const at = join(folder, 'models');
  mkdirSync(at);
  const shapes = fc.sample(anyShape(ACTIVATIONS), { numRuns: 60, seed: 5 });
  assert.equal(new Set(shapes.map(({ body }) => body)).size, 6, 'all bodies');
  let k = 0;
  for (const shape of shapes) {
    for (const precision of ['float32', 'float64'] as const) {
      const { model, params, batch, inner } = build(shape, precision);
      if (shape.body === 'gru' && precision === 'float64') {
        assert.throws(() => onnxModel(model, params), { code: 'UNSUPPORTED', message: /GRU in float64/ });
        continue;
      }
      const [own] = await adapt(model, params, batch, inner);
      const count = 7;
      const { inputs } = rows(model.spec, count, random(shape.seed, 'onnx'));
      const given = asGiven(model.spec.inputs, shortened(model.spec, inputs), count, precision);
      for (const [what, adapted] of [
        ['shared', undefined],
        ['adapted', own],
      ] as const) {
        const { data } = await predict(model, params, { inputs }, adapted);
        const name = `${shape.body} ${precision} ${what} ${k++}`;
        write(at, name, onnxModel(model, { ...params, ...adapted }), given, data);
      }
    }
  }
  const found = differences(at);
  assert.equal(found.size, 2 * (120 - shapes.filter(({ body }) => body === 'gru').length));
  for (const [name, difference] of found)
    assert.ok(difference < (name.includes('float64') ? 1e-12 : 1e-5), `${name}: ${difference}`);
  t.comment(`${found.size} files, at most ${Math.max(...found.values())}`);
});

test('personal models of every algorithm and loss, with features on every side', { skip }, async (t) => {
  const at = join(folder, 'people');
  mkdirSync(at);
  const refused: string[] = [];
  const context = { price: 700, place: 'place 1', with: ['friend 2', 'friend 3'], vector: [1, 2, 3] };
  for (const one of CASES) {
    const [name, { dataset, people }, inputs, , head] = one;
    const learner = await trained(one);
    const items = ['i1', 'i4', 'i7', 'i9'];
    const labels = head.loss === 'mse' ? [5, 1, 3, 2] : head.loss === 'softmax' ? [4, 0, 2, 1] : [1, 0, 1, 0];
    const me = await learner.adapt({ items, labels, user: 'u3', features: { ...people[3], tags: ['t1'] }, context });
    try {
      await exportOnnx(me, join(at, `${name}.onnx`), { context });
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'UNSUPPORTED', String(error));
      refused.push(name);
      continue;
    }
    const all = dataset.items.keys.values.slice(1);
    const expected = await me.predict(all, { context });
    write(
      at,
      name,
      undefined,
      { item: { type: 'int64', shape: [all.length], data: all.map((_, i) => i + 1) } },
      expected,
    );
    if (inputs.some(({ name: each }) => each === 'price'))
      await rejects(exportOnnx(me, join(folder, 'never.onnx')), 'INVALID_OPTION', /missing: the model reads/);
  }
  const found = differences(at);
  assert.deepEqual([...found.keys(), ...refused].sort(), CASES.map(([name]) => name).sort());
  for (const [name, difference] of found) assert.ok(difference < 1e-5, `${name}: ${difference}`);
  t.comment(`${found.size} files, at most ${Math.max(...found.values())}; refused: ${refused.join(', ')}`);
});

test('innerloop export: the shared model, and one adapted to ratings', { skip }, async () => {
  const at = join(folder, 'command');
  mkdirSync(at);
  const { run, ok } = commandIn(at);
  const learner = await servedLearner({ algorithm: ridge() });
  await saveLearner(learner, join(at, 'model.safetensors'));
  assert.match(ok('export', '-m', 'model.safetensors', '-o', 'shared.onnx').stdout, /^The shared model/);
  ok('export', '-m', 'model.safetensors', '-o', 'me.onnx', '3=5', '-r', 'Title 8=1');
  const me = await learner.adapt({ items: ['3', '8'], labels: [5, 1] });
  const given = { item: { type: 'int64', shape: [3], data: [1, 2, 700] } };
  write(at, 'me', undefined, given, await me.predict(['0', '1', '699']));
  const items = {
    item: { type: 'int64', shape: [1], data: [2] },
    genres: { type: 'int64', shape: [1, 1], data: [-1] },
  };
  const row = { inputs: { item: [2], genres: [[]] } };
  write(at, 'shared', undefined, items, (await predict(learner.model, learner.parameters(), row)).data);
  const found = differences(at);
  assert.deepEqual([...found.keys()], ['me', 'shared']);
  for (const [name, difference] of found) assert.ok(difference < 1e-5, `${name}: ${difference}`);
  const { code, stderr } = run('export', '-m', 'model.safetensors', '3=5');
  assert.equal(code, 2);
  assert.match(stderr, /--output/);
});

test('a learner is written with its shared parameters; what cannot be is refused by name', async () => {
  const learner = await servedLearner({ algorithm: laplace({ probit: true }), head: { loss: 'bce' } });
  const me = await learner.adapt({ items: ['1', '5'], labels: [1, 0] });
  const file = join(folder, 'learner.onnx');
  await rejects(exportOnnx(me, file), 'UNSUPPORTED', /averages over its posterior.*laplace with probit: false/);
  await rejects(exportOnnx({} as never, file), 'INVALID_OPTION', /a learner, or what learner.adapt gave/);
  await rejects(exportOnnx(me, file, { contex: {} } as never), 'UNKNOWN_OPTION', /did you mean context/);
  const ridged = await servedLearner({ algorithm: ridge() });
  await exportOnnx(ridged, file);
  assert.deepEqual(readFileSync(file), Buffer.from(onnxModel(ridged.model, ridged.parameters())));
  const { 'embedding.item.weight': _, ...some } = learner.parameters();
  assert.throws(() => onnxModel(learner.model, some), { code: 'INVALID_OPTION' });
});
