/** Small programs of a user, by file name, and the compilers' settings that they have to pass. */

const CHECK = `if (!(runtime().threads >= 1) || maml().name !== 'maml') throw new Error('not the library');`;

const RATINGS = `
const rows = ['user,item,rating'];
for (let u = 0; u < 40; u++) for (let i = 0; i < 15; i++) rows.push(\`u\${u},i\${(u * 7 + i * 3) % 30},\${1 + ((u + i) % 5)}\`);
writeFileSync('ratings.csv', rows.join('\\n'));`;

const TYPED = `
const model: Model = defineModel({
  inputs: [{ name: 'x', kind: 'dense', size: 2 }],
  body: { kind: 'mlp', hidden: [4], activation: 'relu' },
  head: { loss: 'mse' },
});
const learner: Learner = createLearner({ model, algorithm: maml({ steps: 1 }), seed: 1 });
export async function served(): Promise<string[]> {
  const me = await learner.adapt({ items: ['1'], labels: [5] });
  const list: Recommendation[] = await me.recommend({ count: 3 });
  return list.map(({ item }) => item);
}
export function held(dataset: Dataset): number {
  const { sets } = splitTasks(dataset, { protocol: 'users', validation: 0.1, tasks: { query: 5 } });
  // @ts-expect-error no test set was asked for
  if (sets.test !== undefined) return 0;
  return sets.validation.size + sets.train.size;
}
const error: InnerloopError | undefined = undefined;
export default error;
`;
const NAMES = 'createLearner, defineModel, InnerloopError, maml, splitTasks';
const TYPES = 'Dataset, Learner, Model, Recommendation';

export const PROGRAMS = {
  'esm.mjs': `import { maml, runtime } from 'innerloop';\n${CHECK}\nconsole.log(runtime().isa);\n`,
  'refused.mjs': `import { runtime } from 'innerloop';\ntry {\n  runtime();\n} catch (error) {\n  console.log(error.code);\n}\n`,
  'commonjs.cjs': `const { maml, runtime } = require('innerloop');\n${CHECK}\nconsole.log(runtime().isa);\n`,
  'both.mjs': `import { createRequire } from 'node:module';
import { InnerloopError } from 'innerloop';
if (createRequire(import.meta.url)('innerloop').InnerloopError !== InnerloopError) throw new Error('two copies');
`,
  'train.mjs': `import { writeFileSync } from 'node:fs';
import { createLearner, defineModel, describeInputs, openDataset, ridge, splitTasks, train } from 'innerloop';
${RATINGS}
const dataset = await openDataset({ interactions: { from: 'ratings.csv', user: 'user', item: 'item', label: 'rating' } });
const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', test: 0.2, tasks: { min: 5, query: 5 } });
const inputs = describeInputs(dataset, [{ name: 'item', dim: 4 }], trainRows);
const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [4], activation: 'identity' }, head: { loss: 'mse' } });
const learner = createLearner({ model, algorithm: ridge(), seed: 1 });
for await (const { loss } of train(learner, sets.train, { epochs: 2 })) if (!Number.isFinite(loss)) throw new Error('no loss');
const me = await learner.adapt({ items: ['i1', 'i2'], labels: [5, 1] });
const list = await me.recommend({ count: 3 });
if (list.length !== 3) throw new Error('no list');
console.log(list.map(({ item }) => item).join(' '));
`,
  'workers.mjs': `import { isMainThread, Worker } from 'node:worker_threads';
import { runtime } from 'innerloop';
if (isMainThread) {
  const codes = await Promise.all([1, 2, 3].map(() => new Promise((done) => new Worker(new URL(import.meta.url)).on('exit', done))));
  if (codes.some((code) => code !== 0)) throw new Error(String(codes));
} else runtime();
`,
  'typed.mts': `import { ${NAMES} } from 'innerloop';\nimport type { ${TYPES} } from 'innerloop';\n${TYPED}`,
  'typed.cts': `import { ${NAMES} } from 'innerloop';\nimport type { ${TYPES} } from 'innerloop';\n${TYPED}`,
  'typed.ts': `import { ${NAMES} } from 'innerloop';\nimport type { ${TYPES} } from 'innerloop';\n${TYPED}`,
  'typed-service.mts': `import { createClient, serve } from 'innerloop/service';
import type { ServeOptions } from 'innerloop/service';
const options: ServeOptions = { model: 'model.safetensors', state: 'none' };
export async function asked(): Promise<number> {
  const service = await serve(options);
  const { items } = await createClient({ url: service.url }).recommend({ count: 3 });
  await service.close();
  return items.length;
}
`,
  'vitest.test.mjs': `import { expect, test } from 'vitest';\nimport { runtime } from 'innerloop';\ntest('loads', () => expect(runtime().threads).toBeGreaterThan(0));\n`,
  'sample.jest.test.mjs': `import { hessianVectorProduct, defineModel } from 'innerloop';
test('takes arrays of this realm', async () => {
  const spec = { inputs: [{ name: 'x', kind: 'dense', size: 1 }], body: { kind: 'mlp', hidden: [] }, head: { loss: 'mse' } };
  const model = defineModel(spec);
  const params = model.initialize(1);
  const rows = { inputs: { x: [1, 2, 3].map((x) => Float64Array.of(x)) }, labels: Float64Array.of(1, 2, 3) };
  const { loss } = await hessianVectorProduct(model, params, rows, params);
  expect(Number.isFinite(loss)).toBe(true);
});
`,
};

const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  // The declarations themselves have to pass too.
  skipLibCheck: false,
  noEmit: true,
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
};
export const TSCONFIGS = {
  node16: { compilerOptions: { ...STRICT, module: 'node16' }, files: ['typed.mts', 'typed.cts'] },
  nodenext: { compilerOptions: { ...STRICT, module: 'nodenext' }, files: ['typed.mts', 'typed.cts'] },
  bundler: { compilerOptions: { ...STRICT, module: 'esnext', moduleResolution: 'bundler' }, files: ['typed.ts'] },
};
/** For the service, where what it needs is installed. */
export const SERVICE_TSCONFIG = { compilerOptions: { ...STRICT, module: 'nodenext' }, files: ['typed-service.mts'] };
