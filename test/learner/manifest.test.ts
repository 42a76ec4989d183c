/** What a run records about itself, that the record tells runs apart, and that what it says is the same gives the same bytes. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'tap';
import { addon } from '../../lib/foundation/addon.js';
import type { Dataset } from '../../lib/foundation/contract.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { fingerprintData, manifestOfRun, packageVersion, runManifest } from '../../lib/learner/manifest.js';
import type { RunManifest } from '../../lib/learner/manifest.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { decodeSafetensors } from '../../lib/files/safetensors.js';
import { encodeSealed } from '../../lib/files/sealed.js';
import { train } from '../../lib/training/train.js';
import { learnerOf, make, path, refuses, rejects, run, tiny } from '../fixtures/family.js';

const manifestIn = (file: string, entry = 'manifest') =>
  JSON.parse(decodeSafetensors(readFileSync(file), file).metadata[entry]) as RunManifest & { run: RunManifest };

test('a run has a manifest: in the learner, in its checkpoint and in its model file', async () => {
  const learner = learnerOf(make('maml'));
  assert.equal(runManifest(learner), undefined);
  const [checkpoint, model] = [path(), path()];
  await run(learner, tiny.train, { checkpoint, epochs: 2, validation: tiny.validation, hide: { item: 0.1 } });
  const manifest = runManifest(learner)!;
  assert.equal(manifest.version, packageVersion());
  assert.deepEqual(
    [manifest.seed, manifest.precision, manifest.isa, manifest.node, manifest.platform],
    [3, 'float32', [addon().isa], process.version, `${process.platform}-${process.arch}`],
  );
  assert.deepEqual(manifest.data, fingerprintData(tiny.dataset));
  assert.deepEqual([manifest.data.rows, manifest.data.items], [tiny.dataset.size, tiny.dataset.items.rows - 1]);
  assert.match(manifest.data.values, /^sha256:[0-9a-f]{64}$/);
  const text = JSON.stringify(manifest);
  for (const part of ['"epochs":2', '"hide":{"item":0.1}', '"name":"maml"', '"name":"adam"', '"kind":"mlp"'])
    assert.ok(text.includes(part), part);
  assert.ok(text.length < 4000, 'vocabularies belong into the model file, not into every manifest');

  assert.deepEqual(manifestIn(checkpoint), manifest);
  await saveLearner(learner, model);
  assert.deepEqual(manifestIn(model).run, manifest);
  const loaded = await loadLearner(model);
  assert.deepEqual(runManifest(loaded), manifest);
  const again = path();
  await saveLearner(loaded, again);
  assert.deepEqual(manifestIn(again).run, manifest);
});

test('every value of the data shows in its fingerprint, and nothing else does', async () => {
  const columns = () => ({
    user: ['ann', 'ann', 'bob', 'bob'],
    item: [1, 2, 1, 2],
    label: [1, 2, 3, 4],
    time: [1, 2, 3, 4],
    userFeatures: { id: ['ann', 'bob'], features: { group: { kind: 'categorical' as const, values: ['a', 'b'] } } },
    itemFeatures: {
      id: [1, 2],
      features: {
        tags: { kind: 'bag' as const, values: [['x', 'y'], ['z']] },
        size: { kind: 'dense' as const, values: [1, 2] },
      },
    },
    features: { place: { kind: 'categorical' as const, values: ['p', 'q', 'p', 'q'] } },
  });
  type Columns = ReturnType<typeof columns>;
  const of = (change: (columns: Columns) => void = () => undefined): string => {
    const changed = columns();
    change(changed);
    return fingerprintData(datasetFromColumns(changed)).values;
  };
  const changes: ((c: Columns) => void)[] = [
    (c) => (c.user = ['ann', 'bob', 'ann', 'bob']),
    (c) => (c.user = ['eve', 'eve', 'bob', 'bob']),
    (c) => (c.item = [2, 1, 1, 2]),
    (c) => (c.label[3] = 5),
    (c) => (c.time[0] = 0),
    (c) => (c.userFeatures.features.group.values = ['b', 'a']),
    (c) => (c.userFeatures.features.group.values = ['a', 'c']),
    (c) => (c.itemFeatures.features.tags.values = [['x'], ['y', 'z']]),
    (c) => (c.itemFeatures.features.size.values = [1, 3]),
    (c) => (c.features.place.values = ['p', 'q', 'q', 'q']),
    (c) => (c.features = { spot: c.features.place } as never),
  ];
  // Standardised, sizes 1 and 3 are what 1 and 2 are: the fingerprint is of what a model sees.
  const same = changes[8];
  assert.equal(of(same), of());
  const all = [of(), ...changes.filter((change) => change !== same).map(of)];
  assert.equal(new Set(all).size, all.length);
  assert.equal(of(), of());
  const { time: _, ...untimed } = datasetFromColumns(columns());
  assert.notEqual(fingerprintData({ ...untimed, time: undefined } satisfies Dataset).values, of());
});

test('the same run gives the same files on 1, 2 and 8 threads, twice, and through interruptions', async () => {
  const options = { epochs: 4, validation: tiny.validation, hide: { user: 0.1, item: 0.2 } } as const;
  const files = async (threads: number, interrupted: boolean): Promise<Buffer[]> => {
    const [checkpoint, model] = [path(), path()];
    if (interrupted) {
      for (let epochs = 1; epochs < 4; epochs++) {
        const some = train(learnerOf(make('maml', { rates: 'perStep' }), { threads }), tiny.train, {
          metaBatch: 8,
          ...options,
          checkpoint,
        });
        await some.next();
        await some.return(undefined);
      }
    }
    const learner = learnerOf(make('maml', { rates: 'perStep' }), { threads });
    await run(learner, tiny.train, { ...options, checkpoint });
    await saveLearner(learner, model);
    return [readFileSync(checkpoint), readFileSync(model)];
  };
  const expected = await files(1, false);
  for (const [threads, interrupted] of [
    [1, false],
    [2, false],
    [8, false],
    [2, true],
    [8, true],
  ] as const) {
    (await files(threads, interrupted)).forEach((bytes, i) =>
      assert.ok(bytes.equals(expected[i]), `file ${i} of ${threads} threads, interrupted: ${interrupted}`),
    );
  }
});

test('a run resumed on another instruction set or device says so', async () => {
  const checkpoint = path();
  const learner = () => learnerOf(make('maml'));
  const first = train(learner(), tiny.train, { checkpoint, epochs: 3 });
  await first.next();
  await first.return(undefined);
  const { tensors, metadata } = decodeSafetensors(readFileSync(checkpoint), checkpoint);
  const elsewhere = (isa: unknown, device: unknown = ['cpu']) =>
    writeFileSync(
      checkpoint,
      Buffer.concat(
        encodeSealed(tensors, { ...metadata, manifest: JSON.stringify({ ...manifestIn(checkpoint), isa, device }) }),
      ),
    );
  elsewhere(['other'], ['cuda: other']);
  const resumed = learner();
  await run(resumed, tiny.train, { checkpoint, epochs: 3, metaBatch: 32 });
  assert.deepEqual(runManifest(resumed)!.isa, ['other', addon().isa]);
  assert.deepEqual(manifestIn(checkpoint).isa, ['other', addon().isa]);
  assert.deepEqual(runManifest(resumed)!.device, ['cuda: other', 'cpu']);
  assert.deepEqual(manifestIn(checkpoint).device, ['cuda: other', 'cpu']);
  for (const isa of ['avx2', [1], null, undefined]) {
    elsewhere(isa);
    await rejects(run(learner(), tiny.train, { checkpoint, epochs: 3, metaBatch: 32 }), 'MODEL_FILE', /manifest/);
  }
});

test('loadLearner checks its options before it reads', async () => {
  await rejects(loadLearner('none', { threads: 0 }), 'INVALID_OPTION', /options\.threads/);
  await rejects(loadLearner('none', { thread: 1 } as object), 'UNKNOWN_OPTION', /threads/);
  refuses(() => fingerprintData(datasetFromColumns({ user: [], item: [], label: [] })), 'EMPTY_DATA');
});

test('hashing large data leaves turns to the event loop, gives the fingerprint of one go, and ends by a signal', async () => {
  const rows = 3e6;
  const dataset = datasetFromColumns({
    user: Int32Array.from({ length: rows }, (_, row) => row % 1000),
    item: Int32Array.from({ length: rows }, (_, row) => row % 1009),
    label: new Float32Array(rows).fill(2),
    time: Float64Array.from({ length: rows }, (_, row) => row),
  });
  const tasks = { ...tiny.train, dataset };
  const learner = learnerOf(make('maml'));
  let turns = 0;
  let going = true;
  const turn = () => void (turns++, going && setImmediate(turn));
  setImmediate(turn);
  const { data } = await manifestOfRun(learner, tasks, undefined, {});
  going = false;
  assert.deepEqual(data, fingerprintData(dataset));
  // Four columns at least, each in slices of sixteen megabytes.
  assert.ok(turns >= 4, `${turns} turns`);
  const stop = AbortSignal.abort();
  await rejects(manifestOfRun(learner, tasks, undefined, {}, stop), 'ABORTED');
});
