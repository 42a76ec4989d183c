/** What ARCHITECTURE.md says of adding a learner, a metric, and the library's half of a loss, done in a copy of the library. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';

const root = packageRoot();
const copy = mkdtempSync(join(tmpdir(), 'innerloop-additions-'));
after(() => rmSync(copy, { recursive: true, force: true }));
for (const name of ['lib', 'test/architecture', 'package.json', 'tsconfig.json'])
  cpSync(join(root, name), join(copy, name), { recursive: true });
for (const name of ['node_modules', 'build']) symlinkSync(join(root, name), join(copy, name));

/** The files of a section of "Files to touch". */
function filesToTouch(section: string): string[] {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const [, body] = new RegExp(`^### ${section}$([^]*?)(?=^###|$(?![^]))`, 'm').exec(text) ?? [];
  assert.ok(body !== undefined, `ARCHITECTURE.md has no section ${section}`);
  return [...body.matchAll(/`((?:lib|native)\/[^`]+)`/g)].map(([, path]) => path);
}

function change(path: string, from: string, to: string): void {
  const text = readFileSync(join(copy, path), 'utf8');
  assert.equal(text.split(from).length, 2, `${path} has ${JSON.stringify(from)} once`);
  writeFileSync(join(copy, path), text.replace(from, to));
}
const node = (...args: string[]) =>
  spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8', maxBuffer: 1 << 26 });

const PROGRAM = `
import assert from 'node:assert/strict';
import * as innerloop from './dist/lib/index.js';
const [user, item, label] = [[], [], []];
for (let u = 0; u < 30; u++) for (let i = 0; i < 12; i++) { user.push(u); item.push((u + i) % 20); label.push(1 + ((u * i) % 5)); }
const dataset = innerloop.datasetFromColumns({ user, item, label });
const { sets, trainRows } = innerloop.splitTasks(dataset, { protocol: 'users', validation: 0.2, test: 0.2, seed: 1, tasks: { query: 4 } });
const inputs = innerloop.describeInputs(dataset, [{ name: 'item', dim: 4 }], trainRows);
const model = innerloop.defineModel({ inputs, body: { kind: 'mlp', hidden: [], activation: 'identity' }, head: { loss: 'mse' } });
const algorithm = innerloop.toyLearner({ steps: 2, learningRate: 0.1 });
const learner = innerloop.createLearner({ model, algorithm, optimizer: innerloop.adam(), seed: 1 });
const reports = [];
for await (const report of innerloop.train(learner, sets.train, { epochs: 2, validation: sets.validation, metric: 'toyerror' })) reports.push(report);
assert.equal(reports.length, 2);
const results = await innerloop.evaluate(learner, sets.test, { metrics: ['toyerror', 'mae'] });
assert.ok(JSON.stringify(results).includes('toyerror'));
await innerloop.saveLearner(learner, 'toy.safetensors');
const loaded = await innerloop.loadLearner('toy.safetensors');
const support = { items: [1, 2, 3], labels: [1, 3, 5] };
const [a, b] = [await learner.adapt(support), await loaded.adapt(support)];
assert.deepEqual(await a.predict([4, 5]), await b.predict([4, 5]));
const toy = (head) => innerloop.createLearner({ model: innerloop.defineModel({ inputs, body: model.spec.body, head }), algorithm, seed: 1 });
const [like, unlike] = [toy({ loss: 'mse' }), toy({ loss: 'toyloss' })];
for (const each of [like, unlike]) for await (const _ of innerloop.train(each, sets.train, { epochs: 1, validation: sets.validation }));
const { methods } = await innerloop.evaluate(unlike, sets.test);
assert.ok(Object.keys(methods[0].metrics).includes('rmse'), 'what is measured follows from the record');
const negative = { ...dataset, label: dataset.label.map((y) => -y) };
await assert.rejects(innerloop.train(toy({ loss: 'toyloss' }), { ...sets.train, dataset: negative }).next(), /a number ≥ 0/);
console.log('added');
`;

test('a toy learner, metric and loss take the files that ARCHITECTURE.md names', async () => {
  const learner = filesToTouch('A learner');
  assert.deepEqual(learner.length, 2);
  const [factory, registry] = learner.map((path) => path.replace('<file>', 'toy-learner'));
  const like = readFileSync(join(copy, 'lib', 'algorithms', 'fine-tune.ts'), 'utf8');
  writeFileSync(join(copy, factory), like.replaceAll('fineTune', 'toyLearner'));
  change(
    registry,
    "import { fineTune } from './fine-tune.js';",
    "import { fineTune } from './fine-tune.js';\nimport { toyLearner } from './toy-learner.js';\nexport { toyLearner };",
  );
  change(registry, '  fineTune,\n} as const', '  fineTune,\n  toyLearner,\n} as const');

  const [metric] = filesToTouch('A metric');
  assert.ok(filesToTouch('A metric').length <= 3);
  change(
    metric,
    '  mae: {',
    "  toyerror: { better: 'lower', score: 'label', compute: (w) => 2 * meanAbsoluteError(w) },\n  mae: {",
  );

  // The library's half of a loss. Its native half would be two more files and a build; this one shares the code of another.
  const loss = filesToTouch('A loss');
  assert.ok(loss.length <= 4);
  const [specification, record] = loss;
  change(specification, "  | { loss: 'mse' }\n", "  | { loss: 'mse' }\n  | { loss: 'toyloss' }\n");
  change(
    record,
    "  bce: {\n    native: 'bce',",
    `  toyloss: {
    native: 'mse',
    doc: 'for toys',
    fits: (y) => y >= 0,
    labels: () => 'a number ≥ 0',
    link: 'identity',
    score: () => 'label',
    ...RATING,
  },
  bce: {
    native: 'bce',`,
  );

  const compiled = node(join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'lib');
  assert.equal(compiled.status, 0, compiled.stdout);
  writeFileSync(join(copy, 'program.mjs'), PROGRAM);
  const ran = node('program.mjs');
  assert.equal(ran.stdout, 'added\n', ran.stderr);
  const schema = node(join('dist', 'lib', 'cli', 'schema.js')).stdout;
  assert.match(schema, /"const": "toyLearner"/);
  assert.match(schema, /toyerror/);
  assert.match(schema, /toyloss/);
  assert.equal(node('test/architecture/imports.mjs').status, 0);
});

test('an import of a later folder fails the check of `npm run lint`', async () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { lint: string } };
  assert.match(manifest.scripts.lint, /node test\/architecture\/imports\.mjs/);
  const path = join(copy, 'lib', 'data', 'planted.ts');
  writeFileSync(path, "import type { Learner } from '../learner/index.js';\nexport type Planted = Learner;\n");
  const { status, stderr } = node('test/architecture/imports.mjs');
  assert.equal(status, 1);
  assert.match(stderr, /^lib\/data\/planted\.ts imports lib\/learner\/index\.ts, which comes later$/m);
  rmSync(path);
  assert.equal(node('test/architecture/imports.mjs').status, 0);
});
