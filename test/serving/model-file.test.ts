/** Model files: every bit is covered, ids of any number and kind are kept, and other readers read them. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { joint } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { decodeSafetensors } from '../../lib/files/safetensors.js';
import { decodeSealed } from '../../lib/files/sealed.js';
import { restoreTexts, storeTexts } from '../../lib/files/texts.js';
import type { NamedArray } from '../../lib/files/safetensors.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { random } from '../../lib/foundation/random.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { decodeLearner, loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { isTyped, learnerOf, make, path, rejects, run, tiny } from '../fixtures/family.js';

const FLIPS = 10_000;

const refuses = (bytes: Uint8Array, load: (bytes: Uint8Array) => unknown, what: string) =>
  assert.throws(
    () => load(bytes),
    (error: unknown) => error instanceof InnerloopError && error.code === 'MODEL_FILE',
    what,
  );

/** One bit after the other at random places, then every length. */
function refusesDamage(bytes: Uint8Array, load: (bytes: Uint8Array) => unknown): void {
  assert.ok(bytes.length < 20_000, `${bytes.length} bytes`);
  load(bytes);
  const stream = random(1, 'flips');
  for (let flip = 0; flip < FLIPS; flip++) {
    const at = stream.below(bytes.length);
    const bit = 1 << stream.below(8);
    bytes[at] ^= bit;
    refuses(bytes, load, `bit ${bit} of byte ${at}`);
    bytes[at] ^= bit;
  }
  for (let length = 0; length < bytes.length; length++) refuses(bytes.subarray(0, length), load, `${length} bytes`);
  load(bytes);
}

test('a model file with any bit flipped, and any beginning of it, is refused', async () => {
  const learner = learnerOf(make('ridge'));
  await run(learner, tiny.train, { epochs: 1 });
  const file = path();
  await saveLearner(learner, file);
  refusesDamage(new Uint8Array(readFileSync(file)), (bytes) => decodeLearner(bytes, file));
});

test('a checkpoint with any bit flipped, and any beginning of it, is refused', async () => {
  const checkpoint = path();
  await run(learnerOf(make('ridge')), tiny.train, { epochs: 1, checkpoint });
  refusesDamage(new Uint8Array(readFileSync(checkpoint)), (bytes) => decodeSealed(bytes, checkpoint, ''));
  // And `train` reads it no other way.
  const bytes = readFileSync(checkpoint);
  bytes[bytes.length >> 1] ^= 4;
  writeFileSync(checkpoint, bytes);
  await rejects(run(learnerOf(make('ridge')), tiny.train, { epochs: 1, checkpoint }), 'MODEL_FILE', /digest/);
});

test('files that version 0.1 wrote are refused with what to do', async () => {
  const written = (name: string) => join(packageRoot(), 'test', 'fixtures', 'version-0.1', name);
  await rejects(loadLearner(written('learner.safetensors')), 'MODEL_FILE', /innerloop 0\.1.*train it again/);
  // A checkpoint is replaced when a training ends: the copy is, if any.
  const checkpoint = path();
  copyFileSync(written('checkpoint.safetensors'), checkpoint);
  const before = readFileSync(checkpoint);
  await rejects(run(learnerOf(make('maml')), tiny.train, { epochs: 1, checkpoint }), 'MODEL_FILE', /start anew/);
  assert.deepEqual(readFileSync(checkpoint), before);
});

test('a model file is plain safetensors, with parameters and ids by name', async () => {
  const learner = learnerOf(make('ridge'));
  await run(learner, tiny.train, { epochs: 1 });
  const file = path();
  await saveLearner(learner, file);
  const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
  assert.match(metadata['digest'], /^[0-9a-f]{64}$/);
  for (const [name, { data }] of Object.entries(learner.parameters()))
    assert.deepEqual(tensors[`parameters.${name}`].data, data);
  assert.deepEqual(restoreTexts(tensors, 'texts.items.keys', 'utf8'), learner.catalog!.items.keys.values);
});

test('texts of every kind come back as they were', async () => {
  for (const texts of [
    [],
    [''],
    ['', 'a', '', 'b'],
    ['', 'é', '漢字', '🎬', 'plain'],
    ['', '\ud800', 'é', '\udc00x'],
  ]) {
    const tensors: Record<string, NamedArray> = {};
    const encoding = storeTexts(tensors, 't', texts);
    assert.equal(encoding, texts.includes('\ud800') ? 'utf16le' : 'utf8');
    assert.deepEqual(restoreTexts(tensors, 't', encoding), texts);
    for (const change of [[1, 0], [0, 1e9], [-1], [0.5], []]) {
      const spoiled = { ...tensors, 't.offsets': { shape: [change.length], data: Float64Array.from(change) } };
      assert.throws(
        () => restoreTexts(spoiled, 't', encoding),
        (error: unknown) => isTyped(error, 'MODEL_FILE'),
      );
    }
  }
});

/** A learner over a catalog of many bytes of ids, most of which no interaction has. */
async function longIds(count: number, length: number) {
  const ids = Array.from({ length: count }, (_, i) => `i${i}`.padEnd(length, '-'));
  const user: string[] = [];
  const item: string[] = [];
  const label: number[] = [];
  for (let r = 0; r < 60; r++) (user.push(`u${r % 6}`), item.push(ids[(r * 7) % count]), label.push(r % 5));
  const dataset = datasetFromColumns({ user, item, label, itemFeatures: { id: ids, features: {} } });
  const rows = Int32Array.from({ length: dataset.size }, (_, r) => r);
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 2 }], rows);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: joint() });
  await run(learner, buildTasks(dataset, { query: 3 }), { epochs: 1 });
  return { learner, ids };
}

test('more bytes of ids than a header may hold are saved and found again', async () => {
  const { learner, ids } = await longIds(2600, 40_000);
  const file = path();
  await saveLearner(learner, file);
  assert.ok(statSync(file).size > 100_000_000);
  const loaded = await loadLearner(file);
  assert.deepEqual(loaded.catalog!.items.keys.values, learner.catalog!.items.keys.values);
  assert.equal(loaded.catalog!.items.keys.idOf(ids[77]), learner.catalog!.items.keys.idOf(ids[77]));
});

test('users are left out of a model that reads nothing of them, and adapt alike', async () => {
  const { learner } = await longIds(50, 8);
  const file = path();
  await saveLearner(learner, file);
  const loaded = await loadLearner(file);
  assert.equal(loaded.catalog!.users.rows, 1);
  assert.equal(learner.catalog!.users.rows, 7);
  const support = { items: ['i7-----'.padEnd(8, '-')], labels: [2], user: 'u3', unknown: 'error' as const };
  const [before, after] = [await learner.adapt(support), await loaded.adapt(support)];
  assert.deepEqual(await after.predict(support.items), await before.predict(support.items));
  assert.deepEqual(after.unknown, before.unknown);
});
