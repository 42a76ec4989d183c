/** Configurations as text: JSON with comments, read strictly. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { after, test } from 'tap';
import { parseJson } from '../../lib/cli/json.js';
import { shellWord } from '../../lib/cli/output.js';
import { readRatings } from '../../lib/cli/recommend.js';
import { commandIn, main } from '../fixtures/command.js';
import { throws } from '../fixtures/interactions.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-json-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

test('whatever JSON.stringify writes is read as JSON.parse reads it', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      assert.deepEqual(parseJson(text, 'x'), JSON.parse(text));
    }),
  );
  assert.deepEqual(parseJson('\uFEFF{"a": [1e3, -0.5, "\\u00e9 // no comment"]}', 'x'), {
    a: [1000, -0.5, 'é // no comment'],
  });
});

test('comments are left out; mistakes are named with their line', async () => {
  assert.deepEqual(parseJson('// a file\n{ /* two\n lines */ "a": 1, // one\n "b": [2] }\n// end', 'x'), {
    a: 1,
    b: [2],
  });
  for (const [text, pattern] of [
    ['{"a": 1,\n "a": 2}', /^x: not JSON: line 2, column 2: the key "a" is there twice/],
    ['{"a": 1,}', /column 9: a comma before \}/],
    ['[1 2]', /no comma between two entries/],
    ['{a: 1}', /a key without quotes/],
    ['{"a" 1}', /no colon after the key "a"/],
    ['{"a": ', /ends in the middle/],
    ['{"a": 1', /ends in the middle/],
    ['', /ends in the middle/],
    ['{"a": 0x10}', /no value of JSON/],
    ['{"a": 01}', /no value of JSON/],
    ['{"a": NaN}', /no value of JSON/],
    ["{'a': 1}", /a key without quotes/],
    ['{"a": "b\nc"}', /a text without an end/],
    ['{"a": "\\x41"}', /an escape that JSON does not have/],
    ['{} {}', /something follows the end/],
    ['/* open {}', /no value of JSON/],
    ['{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000), /more than 100 objects and lists inside each other/],
    ['['.repeat(100_000), /more than 100/],
  ] as const)
    throws(() => parseJson(text, 'x'), 'INVALID_OPTION', pattern);
});

test('words of a command line come back from a shell as they are', async () => {
  for (const word of ['plain-1.json', 'two words.json', "it's", '$HOME `x` "y"', '', 'a\\b', 'naïve;rm'])
    assert.equal(execFileSync('/bin/sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' }), word);
});

test('a rating is a decimal number', async () => {
  assert.deepEqual(
    readRatings(['1=5', 'a=b=.5', '7=-1e1']).map(({ value }) => value),
    [5, 0.5, -10],
  );
  for (const text of ['1=0x10', '1=Infinity', '1=', '=5', '1=five', '1=1_0', '1=0b1'])
    throws(() => readRatings([text]), 'INVALID_OPTION', /not a rating/);
});

test('the command: nested too deep is wrong use, - is standard input, an obstacle is found before training', async () => {
  const { run } = commandIn(folder);
  fs.writeFileSync(join(folder, 'deep.json'), '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000));
  const deep = run('train', '-c', 'deep.json');
  assert.equal(deep.code, 2, deep.stderr);
  assert.match(deep.stderr, /^innerloop: INVALID_OPTION deep\.json: not JSON/);

  const rows = ['u,i,r', ...Array.from({ length: 300 }, (_, k) => `u${k % 20},i${(k * 7) % 31},${1 + (k % 5)}`)];
  fs.writeFileSync(join(folder, 'r.csv'), `${rows.join('\n')}\n`);
  const config = `{ // of a pipe
    "data": { "interactions": { "from": "r.csv", "user": "u", "item": "i", "label": "r" } },
    "split": { "protocol": "users", "validation": 0.2, "test": 0.2, "tasks": { "support": 3, "query": "rest" } },
    "model": { "inputs": [{ "name": "item", "dim": 2 }], "hidden": [] },
    "algorithm": { "name": "ridge" }, "training": { "epochs": 1 }, "evaluation": { "baselines": false } }`;
  const piped = (...args: string[]) =>
    execFileSync(process.execPath, [main, 'train', '-c', '-', ...args], {
      cwd: folder,
      input: config,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  assert.match(piped(), /ridge/);
  assert.ok(fs.existsSync(join(folder, 'runs/stdin/model.safetensors')));

  fs.mkdirSync(join(folder, 'taken/model.safetensors'), { recursive: true });
  assert.throws(() => piped('-o', 'taken'), /IO .*model\.safetensors: is a folder/);
  assert.deepEqual(fs.readdirSync(join(folder, 'taken')), ['model.safetensors'], 'nothing was written');
});
