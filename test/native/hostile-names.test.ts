/** Names that mean something to JavaScript or to a file system mean nothing to the library. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { maml, reptile } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import { parseConfig } from '../../lib/cli/config.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { InnerLoop, ModelSpec, TaskExample } from '../../lib/foundation/contract.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { decodeSafetensors } from '../../lib/files/safetensors.js';
import { encodeSealed } from '../../lib/files/sealed.js';
import { buildTasks, splitTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { learnerOf, make, refuses, rejects, run, tiny } from '../fixtures/family.js';
import { SPEC, model, params, inner, part, task, bounded } from '../fixtures/hostile.js';

/** What JSON.parse makes of it: an own property of that name, unlike in a literal. */
const polluted = (extra: object) => ({
  ...extra,
  ...(JSON.parse('{"constructor": {"prototype": {"hostile": 1}}}') as object),
});
function withProto(extra: object): object {
  const value = JSON.parse('{"__proto__": {"hostile": 1, "steps": 3}}') as object;
  for (const [key, entry] of Object.entries(extra))
    Object.defineProperty(value, key, { value: entry, enumerable: true });
  return value;
}

test('__proto__ and constructor are unknown options everywhere, and change no prototype', async () => {
  const learner = learnerOf(make('maml'));
  learner.catalog = tiny.dataset;
  const batch = packTasks(model, [task()]);
  for (const hostile of [withProto, polluted]) {
    const actions: (() => unknown)[] = [
      () => defineModel(hostile(SPEC) as ModelSpec),
      () => defineModel({ ...SPEC, head: hostile(SPEC.head) } as ModelSpec),
      () => defineModel({ ...SPEC, body: hostile(SPEC.body) } as ModelSpec),
      () => defineModel({ ...SPEC, inputs: [hostile(SPEC.inputs[0])] } as ModelSpec),
      () => defineModel(SPEC, hostile({})),
      () => packTasks(model, [hostile(task()) as TaskExample]),
      () => packTasks(model, [{ ...task(), query: hostile(part()) } as TaskExample]),
      () => packTasks(model, [{ ...task(), query: { ...part(), inputs: hostile(part().inputs) } }]),
      () => maml(hostile({})),
      () => reptile(hostile({})),
      () => adam(hostile({})),
      () => sgd(hostile({})),
      () => createLearner(hostile({ model, algorithm: maml() }) as never),
      () => metaGradient(model, hostile(params), batch, inner),
      () => metaGradient(model, params, batch, hostile(inner) as InnerLoop),
      () => metaGradient(model, params, batch, { ...inner, learningRate: hostile(params) }),
      () => adapt(model, params, batch, inner, hostile({})),
      () => predict(model, params, part(), hostile({})),
      () => hessianVectorProduct(model, params, part(), hostile(params)),
      () => run(learner, tiny.train, hostile({})),
      () => run(learner, tiny.train, { hide: hostile({}) }),
      () => evaluate(learner, tiny.test, hostile({})),
      () => learner.adapt(hostile({ items: [], labels: [] }) as never),
      () => datasetFromColumns(hostile({ user: [1], item: [1], label: [1] }) as never),
      () => buildTasks(tiny.dataset, hostile({ query: 1 }) as never),
      () => splitTasks(tiny.dataset, hostile({ protocol: 'users', tasks: { query: 1 } }) as never),
      () => loadLearner('none', hostile({})),
    ];
    for (const [i, action] of actions.entries()) {
      await rejects((async () => action())(), 'UNKNOWN_OPTION', /__proto__|constructor/).catch((error: unknown) => {
        throw new Error(`action ${i}: ${String(error)}`);
      });
    }
  }
  assert.equal(({} as Record<string, unknown>)['hostile'], undefined);
});

test('a configuration with __proto__ in any object is refused', async () => {
  const config = readFileSync(join(packageRoot(), 'bench/ml-1m.json'), 'utf8');
  parseConfig(JSON.parse(config));
  let tried = 0;
  for (let at = config.indexOf('{'); at >= 0; at = config.indexOf('{', at + 1)) {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const comma = /^\s*\}/.test(config.slice(at + 1)) ? '' : ',';
      const hostile: unknown = JSON.parse(
        `${config.slice(0, at + 1)}"${key}": {"hostile": 1}${comma}${config.slice(at + 1)}`,
      );
      // In a map of names to numbers any name may stand, but not for an object.
      const isMap = key !== '__proto__' && /"(weightDecay|l2)": $/.test(config.slice(0, at));
      refuses(() => parseConfig(hostile), isMap ? 'INVALID_OPTION' : 'UNKNOWN_OPTION');
      tried++;
    }
  }
  assert.ok(tried > 20, `only ${tried} objects`);
  assert.equal(({} as Record<string, unknown>)['hostile'], undefined);
});

test('names and paths of files: nothing is written or read elsewhere', async () => {
  const root = mkdtempSync(join(tmpdir(), 'innerloop-hostile-'));
  try {
    const folder = join(root, 'a', 'b');
    for (const path of ['', 7, null, {}, ['x']]) {
      await rejects(
        run(learnerOf(make('maml')), tiny.train, { checkpoint: path as string }),
        'INVALID_OPTION',
        /checkpoint/,
      );
    }
    for (const path of ['x\0y', join(folder, 'x'), 'n'.repeat(300)]) {
      await rejects(run(learnerOf(make('maml')), tiny.train, { checkpoint: path }), 'IO');
      await rejects(saveLearner(learnerOf(make('maml')), path), 'IO');
      await rejects(loadLearner(path), path.length > 100 || path.includes('\0') ? 'IO' : 'MISSING_FILE');
    }
    assert.deepEqual(readdirSync(root), []);

    // Names of columns and ids that are paths elsewhere stay names.
    const evil = '../../evil';
    const dataset = datasetFromColumns({
      user: [evil, evil, evil, '/etc/x', '/etc/x', '/etc/x'],
      item: [evil, 'b', '__proto__', evil, 'b', '__proto__'],
      label: [1, 2, 3, 3, 2, 1],
      itemFeatures: { id: [evil, 'b', '__proto__'], features: { [evil]: { kind: 'dense', values: [1, 2, 3] } } },
    });
    const tasks = buildTasks(dataset, { query: 1 });
    const own = defineModel({
      inputs: [{ name: evil, kind: 'dense', size: 1 }],
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'mse' },
    });
    const learner = createLearner({ model: own, algorithm: maml() });
    for await (const _ of train(learner, tasks, { epochs: 1 })) void _;
    const file = join(root, 'model');
    await saveLearner(learner, file);
    const loaded = await loadLearner(file);
    assert.deepEqual(
      await (await loaded.adapt({ items: ['__proto__'], labels: [1] })).recommend(),
      await (await learner.adapt({ items: ['__proto__'], labels: [1] })).recommend(),
    );
    assert.deepEqual(readdirSync(root), ['model']);

    // A stranger's files with the names of ours are neither followed nor removed.
    writeFileSync(join(root, '.model.1.tmp'), 'x');
    symlinkSync('/etc/hostname', join(root, '.model.99999999.0123456789abcdef.tmp'));
    await saveLearner(learner, file);
    assert.deepEqual(readdirSync(root).sort(), ['.model.1.tmp', '.model.99999999.0123456789abcdef.tmp', 'model']);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a model file that asks for gigabytes is refused before they are taken', async () => {
  const root = mkdtempSync(join(tmpdir(), 'innerloop-hostile-'));
  try {
    const file = join(root, 'model');
    const learner = learnerOf(make('maml'));
    await saveLearner(learner, file);
    const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
    const manifest = JSON.parse(metadata['manifest']) as {
      model: { inputs: { kind: string; cardinality?: number; vocabulary?: unknown }[]; body: { hidden: number[] } };
    };
    for (const spoil of [
      (m: typeof manifest) =>
        m.model.inputs.forEach(
          (input) => input.kind !== 'dense' && ((input.cardinality = 2 ** 28), delete input.vocabulary),
        ),
      (m: typeof manifest) => (m.model.body.hidden = [30000, 30000]),
      (m: typeof manifest) => (m.model.body.hidden = [65536, 65536]),
      (m: typeof manifest) => Object.defineProperty(m.model, '__proto__', { value: {}, enumerable: true }),
    ]) {
      const copy = structuredClone(manifest);
      spoil(copy);
      writeFileSync(file, Buffer.concat(encodeSealed(tensors, { ...metadata, manifest: JSON.stringify(copy) })));
      await bounded(() => rejects(loadLearner(file), 'MODEL_FILE'));
    }
  } finally {
    rmSync(root, { recursive: true });
  }
});
