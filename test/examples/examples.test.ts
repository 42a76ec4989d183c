/** Every program of examples/ as a stranger runs it, but for the size of the work. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { fit, saveLearner } from '../../lib/index.js';
import type { Learner } from '../../lib/index.js';
import type { BagColumn } from '../../lib/foundation/contract.js';

const examples = join(packageRoot(), 'examples');
const folder = mkdtempSync(join(tmpdir(), 'innerloop-examples-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

function run(name: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(examples, name), ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Likes by parity, in a file with column names of its own. */
function ratings(): string {
  const rows = ['who,what,stars'];
  for (let u = 0; u < 40; u++)
    for (let i = 0; i < 12; i++)
      rows.push(`person ${u},thing ${i},${(u + i) % 2 === 0 ? 5 : 2 + (i % 3 === 0 ? 1 : 0)}`);
  const path = join(folder, 'stars.csv');
  writeFileSync(path, rows.join('\n'));
  return path;
}

test('examples: each is short', async () => {
  for (const name of readdirSync(examples).filter((file) => file.endsWith('.mjs'))) {
    const lines = readFileSync(join(examples, name), 'utf8').split('\n');
    const code = lines.filter((line) => line.trim() !== '' && !line.startsWith('//'));
    assert.ok(code.length <= 40, `${name} has ${code.length} lines of code`);
  }
});

test('examples: train on a CSV file of one’s own', async () => {
  const output = run('train-on-my-csv.mjs', ratings(), 'who', 'what', 'stars');
  assert.match(output, /^ridge +0\.\d+/m);
  assert.equal(output.match(/^thing \d+ \d\.\d\d$/gm)?.length, 5);
});

test('examples: the gradient is the difference quotient', async () => {
  const rows = run('check-gradients.mjs').trim().split('\n');
  assert.equal(rows.length, 6);
  for (const row of rows) {
    const [exact, difference] = row.split(' ').map(Number);
    assert.ok(Math.abs(exact - difference) < 1e-8, row);
  }
});

test('examples: a service that adapts inside the request', async () => {
  const source = { interactions: { from: ratings(), user: 'who', item: 'what', label: 'stars' } };
  const { learner } = await fit(source, { epochs: 3, baselines: false });
  const model = join(folder, 'model.safetensors');
  await saveLearner(learner, model);
  const server = spawn(process.execPath, [join(examples, 'embed-in-a-service.mjs'), model, '0']);
  try {
    const port = await new Promise<string>((found, failed) => {
      server.stdout.once('data', (chunk: Buffer) => found(chunk.toString().trim()));
      server.once('exit', (code) => failed(new Error(`the service ended with ${code}`)));
    });
    const post = (body: string) => fetch(`http://127.0.0.1:${port}`, { method: 'POST', body });
    const good = await post('{"items":["thing 0","thing 1"],"labels":[5,2]}');
    assert.equal(good.status, 200);
    const list = (await good.json()) as { item: string; score: number }[];
    assert.equal(list.length, 10);
    assert.ok(list.every(({ item }) => item !== 'thing 0' && item !== 'thing 1'));
    assert.equal((await post('{"items":["thing 0"],"labels":[1,2]}')).status, 400);
    assert.equal((await post('no JSON')).status, 400);
  } finally {
    server.kill('SIGKILL');
  }
});

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import numpy'], { stdio: 'ignore' }).status === 0,
);
const noNumpy = python === undefined && 'no Python with NumPy';

let films: Promise<{ learner: Learner; model: string }> | undefined;
/** The learner of the README, trained for a moment, and its file. */
function filmModel(): Promise<{ learner: Learner; model: string }> {
  return (films ??= (async () => {
    const data = join(packageRoot(), 'data', 'ml-latest-small');
    const features = [
      { name: 'genres', kind: 'bag' as const },
      { name: 'title', kind: 'categorical' as const },
    ];
    const source = {
      interactions: { from: join(data, 'ratings.csv'), user: 'userId', item: 'movieId', label: 'rating' },
      items: { from: join(data, 'movies.csv'), id: 'movieId', features },
    };
    const { learner } = await fit(source, { seed: 1, epochs: 1, baselines: false });
    const model = join(folder, 'films.safetensors');
    await saveLearner(learner, model);
    return { learner, model };
  })());
}

test('examples: NumPy alone reads a model file and predicts the same', { skip: noNumpy }, async () => {
  const { learner, model } = await filmModel();
  const some = ['1', '296', '193609'];
  const { status, stdout, stderr } = spawnSync(python!, [join(examples, 'read-with-numpy.py'), model, ...some], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const expected = await (await learner.adapt({ items: [], labels: [] })).predict(some);
  const lines = stdout.trim().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    some,
  );
  lines.forEach((line, k) => assert.ok(Math.abs(Number(line.split(' ')[1]) - expected[k]) < 1e-5, line));
});

test('examples: a Fastify app', async () => {
  const { learner, model } = await filmModel();
  const server = spawn(process.execPath, [join(examples, 'fastify-app.mjs'), model, '0']);
  try {
    const url = await new Promise<string>((found, failed) => {
      server.stdout.once('data', (chunk: Buffer) => found(chunk.toString().trim()));
      server.once('exit', (code) => failed(new Error(`the app ended with ${code}`)));
    });
    const post = (body: object) =>
      fetch(`${url}/recommend`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const support = { items: ['1', '296', 'none'], labels: [5, 2, 3] };
    const answer = (await (await post({ ...support, count: 3 })).json()) as { unknown: string[]; items: object[] };
    assert.deepEqual(answer.unknown, ['none']);
    assert.deepEqual(answer.items, await (await learner.adapt(support)).recommend({ count: 3 }));
    assert.equal((await post({ items: ['1'], labels: [5, 2] })).status, 400);
    assert.equal((await post({ items: ['1'] })).status, 400);
    server.kill('SIGTERM');
    assert.equal(await new Promise((ended) => server.once('exit', ended)), 0);
  } finally {
    server.kill('SIGKILL');
  }
});

test('examples: a pool of workers, a store of people, an A/B test, two stages, slates', async () => {
  const { learner, model } = await filmModel();
  const me = await learner.adapt({ items: [learner.catalog!.items.keys.values[1]], labels: [5] });
  const [first] = await me.recommend({ count: 1 });
  assert.equal(run('worker-pool.mjs', model, '2').trim(), `40 people by 2 threads; to the first: ${first.item}`);
  assert.match(
    run('personal-models-in-a-store.mjs', model),
    /^\d+ bytes; (\d+ \d\.\d\d(, )?){3}\nthe same after a restart$/m,
  );
  assert.match(
    run('ab-test.mjs', model),
    /^B converts [\d.]+ \[1\.[\d]+, [\d.]+\] times as well as A\nafter \d+ visitors/,
  );
  assert.match(run('two-stage.mjs', model), /^200 of 9742 items recalled (exactly|by usearch)\n(\d+ \d\.\d\d\n){5}$/);

  const slates = run('slates.mjs', model).trim().split('\n');
  const lists = slates.map((line) => line.split(' ').filter((word) => /^\d+$/.test(word)));
  assert.deepEqual(
    lists.map((list) => new Set(list).size),
    [5, 5, 5],
  );
  const genres = learner.catalog!.items.columns.find(({ name }) => name === 'genres') as BagColumn;
  const counts = new Map<number, number>();
  for (const item of lists[2]) {
    const row = learner.catalog!.items.keys.idOf(item);
    for (const genre of genres.data.subarray(genres.offsets[row], genres.offsets[row + 1]))
      counts.set(genre, (counts.get(genre) ?? 0) + 1);
  }
  assert.ok(Math.max(...counts.values()) <= 2);
});

test('examples: retraining swaps the model under requests', async () => {
  const path = join(folder, 'nightly.safetensors');
  const output = run('nightly-retraining.mjs', path, ratings(), 'who', 'what', 'stars');
  const [, during, now] = /^(\d+) answers while it trained; now (\d+) items of the new model$/m.exec(output) ?? [];
  assert.ok(Number(during) > 0 && now === '5', output);
});

test('examples: goods of another domain, news by age, toys by age band', async () => {
  assert.match(
    run('cross-domain-goods.mjs'),
    /^films for who reads crime: crime crime crime crime crime\nfilms for anybody: .*space/,
  );
  const [byTaste, byAge] = run('news-with-recency.mjs').trim().split('\n');
  const hours = (line: string) => [...line.matchAll(/(\d+) h\)/g)].reduce((sum, [, age]) => sum + Number(age), 0);
  assert.match(byAge, /^by taste and age: breaking \(sport, 0 h\)/);
  assert.ok(byTaste.startsWith('by taste:') && hours(byAge) < hours(byTaste), `${byTaste}\n${byAge}`);
  const toys = run('toys-by-age-band.mjs');
  const mae = (row: string) => Number(new RegExp(`^${row} +(\\d\\.\\d+)`, 'm').exec(toys)?.[1]);
  assert.ok(mae('ridge') < 0.8 * mae('item mean') && mae('ridge') < mae('ridge, not adapted'), toys);
  assert.doesNotMatch(toys, /repeat/);
});

test('examples: a search over 20 configurations', async () => {
  const lines = run('search-configurations.mjs', '1').split('\n');
  assert.equal(lines.filter((line) => /^dim \d+, rate [\d.]+: validation MAE 0\.\d{4}$/.test(line)).length, 20);
  assert.match(lines.join('\n'), /^best: dim \d+, rate [\d.]+$/m);
});

test('examples: algorithms of one’s own learn and are measured', async () => {
  const output = run('own-algorithm.mjs', '2');
  for (const name of ['cautious', 'neighbours']) {
    const mae = (row: string) => Number(new RegExp(`^${row} +(0\\.\\d+)`, 'm').exec(output)?.[1]);
    assert.ok(mae(name) < mae(`${name}, not adapted`), output);
  }
});
