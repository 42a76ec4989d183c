/** Each guard of the addon by itself, with the one argument that it is there for: what passed would read foreign memory. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { addon } from '../../lib/foundation/addon.js';
import type { NativeColumn, NativeRows } from '../../lib/foundation/addon.js';
import type { InputSpec } from '../../lib/foundation/contract.js';
import { mlp } from '../../lib/model/bodies/mlp.js';
import { Program } from '../../lib/model/layer-program.js';

const ops = addon().float64;
const INPUTS: InputSpec[] = [
  { name: 'x', kind: 'dense', size: 2 },
  { name: 'c', kind: 'categorical', cardinality: 4, dim: 3 },
  { name: 'b', kind: 'bag', cardinality: 4, dim: 2 },
];
function modelOf(inputs: InputSpec[]) {
  const program = new Program(inputs);
  const output = mlp.build(program, { hidden: [3], activation: 'tanh', dropout: 0 }, 1);
  return ops.createModel(program.native(output, [{ loss: 'mse', outputs: 1, weight: 1 }]));
}
const model = modelOf(INPUTS);
const columns = (): NativeColumn[] => [
  { side: 0, dense: Float64Array.of(1, 2, 3, 4) },
  { side: 0, ids: Int32Array.of(0, 3) },
  { side: 1, ids: Int32Array.of(1, 1, 2), offsets: Int32Array.of(0, 2, 2, 3) },
];
const frameOf = (change: (columns: NativeColumn[]) => void = () => undefined) => {
  const all = columns();
  change(all);
  return ops.createFrame(model, { sides: [2, 3], columns: all });
};
const rows = (change: Partial<NativeRows> = {}): NativeRows => ({
  begin: Int32Array.of(0, 1, 2),
  sides: [Int32Array.of(0, 1), Int32Array.of(2, 0)],
  labels: Float64Array.of(1, 2),
  ...change,
});
const batchOf = (change: Partial<NativeRows>, frame = frameOf()) => ops.createBatch(model, frame, rows(change));

test('what is valid passes', async () => {
  assert.ok(batchOf({}));
  assert.ok(batchOf({ sides: [1, Int32Array.of(2, 0)] }));
});

test('ids outside their vocabulary', async () => {
  for (const id of [-1, 4, -(2 ** 31), 2 ** 31 - 1]) {
    assert.throws(() => frameOf((all) => (all[1].ids = Int32Array.of(0, id))), /an id is outside its vocabulary/);
    assert.throws(() => frameOf((all) => (all[2].ids = Int32Array.of(1, id, 2))), /an id is outside its vocabulary/);
  }
});

test('offsets of bags that fall, begin elsewhere or end elsewhere', async () => {
  assert.throws(() => frameOf((all) => (all[2].offsets = Int32Array.of(0, 3, 1, 3))), /must not decrease/);
  for (const offsets of [[0, 2, 2, 4], [1, 2, 2, 3], [0, 3], []])
    assert.throws(() => frameOf((all) => (all[2].offsets = Int32Array.from(offsets))), /bag offsets must run from 0/);
});

test('columns that are shorter than their side', async () => {
  assert.throws(() => frameOf((all) => (all[0].dense = Float64Array.of(1, 2, 3))), /rows x width/);
  assert.throws(() => frameOf((all) => (all[1].ids = Int32Array.of(1))), /one id a row/);
  assert.throws(() => frameOf((all) => (all[1].side = 2)), /side must be an integer/);
});

test('rows of a side that are too few, or outside it', async () => {
  assert.throws(() => batchOf({ sides: [Int32Array.of(0), Int32Array.of(2, 0)] }), /one row for each batch row/);
  for (const row of [2, -1, 2 ** 31 - 1])
    assert.throws(() => batchOf({ sides: [Int32Array.of(0, row), Int32Array.of(2, 0)] }), /a row number is outside/);
  assert.throws(() => batchOf({ sides: [2, Int32Array.of(2, 0)] }), /sides must be an integer between 0 and 1/);
  assert.throws(() => batchOf({ sides: [Int32Array.of(0, 1)] }), /one row list for each side/);
});

test('task offsets that fall, and labels that are too few', async () => {
  assert.throws(() => batchOf({ begin: Int32Array.of(0, 3, 2) }), /begin must not decrease/);
  assert.throws(() => batchOf({ begin: Int32Array.of(0, -1, 2) }), /begin must not decrease/);
  assert.throws(() => batchOf({ begin: Int32Array.of(0, 1) }), /begin must hold/);
  assert.throws(() => batchOf({ labels: Float64Array.of(1) }), /labels must hold one value/);
});

test('a frame of another model, whose kinds, widths or ids are not those of this one', async () => {
  const other = (inputs: InputSpec[], change: (columns: NativeColumn[]) => void) => {
    const all = columns();
    change(all);
    const frame = ops.createFrame(modelOf(inputs), { sides: [2, 3], columns: all });
    return () => batchOf({}, frame);
  };
  const narrow = other([{ name: 'x', kind: 'dense', size: 1 }, INPUTS[1], INPUTS[2]], (all) => {
    all[0].dense = Float64Array.of(1, 2);
  });
  const many = other([INPUTS[0], { name: 'c', kind: 'categorical', cardinality: 9, dim: 3 }, INPUTS[2]], (all) => {
    all[1].ids = Int32Array.of(0, 8);
  });
  const kinds = other([INPUTS[0], { name: 'c', kind: 'bag', cardinality: 4, dim: 3 }, INPUTS[2]], (all) => {
    all[1].offsets = Int32Array.of(0, 0, 2);
  });
  for (const each of [narrow, many, kinds]) assert.throws(each, /the frame belongs to another model/);
});

test('vectors of items that are not of one length, and rows that none has', async () => {
  const vectors = ops.createItemVectors(Float64Array.of(0, 0, 1, 0, 2, 0), 3);
  assert.deepEqual([...ops.readItemFeatures(vectors, Int32Array.of(2, 1))], [2, 0, 1, 0]);
  for (const items of [0, 4, 7, 1.5, 2 ** 31]) assert.throws(() => ops.createItemVectors(new Float64Array(6), items));
  assert.throws(() => ops.createItemVectors(new Float64Array(0), 1), /of one length/);
  for (const row of [-1, 3, 2 ** 31 - 1])
    assert.throws(() => ops.readItemFeatures(vectors, Int32Array.of(row)), /outside the catalogue/);
  const { rows: near, similarities } = await ops.similarItems(vectors, { row: 1, count: 9, threads: 1 });
  assert.deepEqual([[...near], [...similarities]], [[2], [1]]);
  for (const row of [0, 3, -1, 0.5])
    assert.throws(() => void ops.similarItems(vectors, { row, count: 1, threads: 1 }), /row must be an integer/);
  const alone = ops.createItemVectors(Float64Array.of(1), 1);
  assert.throws(() => void ops.similarItems(alone, { row: 1, count: 1, threads: 1 }), /there are no items/);
});

test('texts whose lengths are not theirs, more of them than an index holds, and an index that lacks some', async () => {
  const { texts } = addon();
  for (const count of [0, -1, 1.5, 2 ** 31, NaN]) assert.throws(() => texts.create(count), /count must be an integer/);
  const index = texts.create(3);
  texts.add(index, 'a', Int32Array.of(0, 1));
  assert.throws(() => texts.find(index, 'a', Int32Array.of(1)), /lacks texts/);
  for (const lengths of [[2], [1, 1], [-1, 2], [2 ** 31 - 1], []])
    assert.throws(() => texts.add(index, 'b', Int32Array.from(lengths)), /length/);
  assert.throws(() => texts.add(index, 'bc', Int32Array.of(1, 1)), /has all its texts/);
  texts.add(index, 'bc', Int32Array.of(2));
  assert.throws(() => texts.add(index, 'd', Int32Array.of(1)), /has all its texts/);
  assert.deepEqual([...texts.find(index, 'bcabc', Int32Array.of(2, 1, 1, 1))], [2, 1, 0, 0]);
  assert.throws(() => texts.find(index, 7 as unknown as string, Int32Array.of(1)), /must be a string/);
  assert.throws(() => texts.find(index, 'a', [1] as unknown as Int32Array), /typed array/);
});
