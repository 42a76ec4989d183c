/** `innerloop serve`, `dump` and `restore` as processes, and the load test in short. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'tap';
import { measure } from '../../bench/serve-load.js';
import { createClient } from '../../lib/service/index.js';
import { commandIn, main } from '../fixtures/command.js';
import { folder, modelFile, noSqlite, path } from '../fixtures/served.js';

const { run, ok } = commandIn(folder);

interface Command {
  url: string;
  stderr: () => string;
  signal: (name: NodeJS.Signals) => void;
  ended: Promise<number | null>;
}
async function serve(...args: string[]): Promise<Command> {
  const child = spawn(process.execPath, [main, 'serve', '--port', '0', '--json', '--log-level', 'silent', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = new Promise<number | null>((done) => child.on('exit', done));
  const first = await Promise.race([
    new Promise<string>((done) => child.stdout.setEncoding('utf8').once('data', done)),
    ended.then((code) => assert.fail(`ended with ${code}: ${errors}`)),
  ]);
  const { event, url } = JSON.parse(first) as { event: string; url: string };
  assert.equal(event, 'serving');
  return { url, stderr: () => errors, signal: (name) => child.kill(name), ended };
}

test(
  'serve answers until it is asked to end, reads the model again, and its state is dumped and restored',
  { skip: noSqlite },
  async () => {
    const [model, state] = [await modelFile(), path('db')];
    const first = await serve('-m', model, '--state', state);
    const client = createClient({ url: first.url });
    await client.interact({ interactions: [{ user: 'ann', item: '5', value: 5 }] });
    const list = await client.recommend({ user: 'ann', count: 5 });
    first.signal('SIGHUP');
    while (!/ serves/.test(first.stderr())) await new Promise((go) => setTimeout(go, 20));
    assert.equal((await client.recommend({ user: 'ann', count: 1 })).source, 'history');
    first.signal('SIGTERM');
    assert.equal(await first.ended, 0, first.stderr());
    assert.match(first.stderr(), /interrupted: answering what has come; again to quit at once/);

    const dump = path('jsonl');
    const { stdout } = ok('dump', state, '-o', dump, '--json');
    assert.equal((JSON.parse(stdout) as { rows: number }).rows, 3, 'an interaction and two lists');
    const other = path('db');
    ok('restore', other, dump);
    assert.match(run('restore', other, dump).stderr, /is not empty/);
    const second = await serve('-m', model, '--state', other);
    assert.deepEqual((await createClient({ url: second.url }).recommend({ user: 'ann', count: 5 })).items, list.items);
    second.signal('SIGINT');
    assert.equal(await second.ended, 0, second.stderr());
  },
);

test('what is wrong on the command line is named before anything is served', async () => {
  const model = await modelFile();
  assert.equal(run('serve').code, 2);
  const open = run('serve', '-m', model, '-s', 'none', '--host', '0.0.0.0');
  assert.deepEqual([open.code, /needs a token/.test(open.stderr)], [2, true], open.stderr);
  assert.match(run('serve', '-m', 'none.safetensors', '-s', 'none').stderr, /MISSING_FILE none.safetensors/);
  const experiments = path('json');
  writeFileSync(experiments, '[{ "name": "x", "variants": [] }]');
  assert.match(run('serve', '-m', model, '--experiments', experiments).stderr, /experiments\[0\]\.variants/);
});

test('the load test in short: no error in any loop', { skip: noSqlite }, async (t) => {
  const { results, cpuPerRequest } = await measure(4, 5, (line) => t.comment(line));
  assert.deepEqual(
    results.map(({ mix, loop, errors }) => [mix, loop, errors]),
    [
      ['sessions', 'closed', 0],
      ['sessions', 'open', 0],
      ['people', 'closed', 0],
      ['people', 'open', 0],
    ],
  );
  assert.ok(results.every(({ requests, p50, p99, max }) => requests > 0 && p50 <= p99 && p99 <= max));
  assert.ok(cpuPerRequest > 0);
});
