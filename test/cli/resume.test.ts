/** Runs that are interrupted or killed, and resumed to the same bytes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { main } from '../fixtures/command.js';
import type { Ended } from '../fixtures/command.js';
import { folder, ok, fails, config, output, part, bytes } from '../fixtures/small-run.js';

const long = config((c) => (c['training'] = { epochs: 200, metaBatch: 4 }));
let uninterrupted: Buffer | undefined;
function reference(): Buffer {
  if (uninterrupted === undefined) {
    const out = output();
    ok('train', '-c', long, '-o', out);
    uninterrupted = bytes(out, 'model.safetensors');
  }
  return uninterrupted;
}

/** Starts training and sends a signal once this epoch is reported. */
function interrupted(
  args: string[],
  epoch: number,
  signal: NodeJS.Signals,
): Promise<Ended & { signal: NodeJS.Signals | null }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: folder });
    let [stdout, stderr, sent] = ['', '', false];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (!sent && new RegExp(`epoch +${epoch}/`).test(stderr)) sent = child.kill(signal);
    });
    child.on('close', (code, ended) => done({ code, signal: ended, stdout, stderr }));
  });
}

test('Ctrl-C ends with 130 and says how to go on; --resume gives the bytes of a run without interruption', async () => {
  const out = output();
  const stopped = await interrupted(['train', '-c', long, '-o', out], 5, 'SIGINT');
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /to go on: innerloop train .*--resume/);
  assert.ok(!fs.existsSync(join(out, 'model.safetensors')));
  fails(2, /INVALID_OPTION output: .*--resume.*--fresh/, 'train', '-c', long, '-o', out);
  const resumed = ok('train', '-c', long, '-o', out, '--resume');
  assert.doesNotMatch(resumed.stderr, /epoch +[1-5]\/200/, 'the first epochs are not done again');
  assert.ok(bytes(out, 'model.safetensors').equals(reference()));
  assert.equal(bytes(out, 'metrics.jsonl').toString().trim().split('\n').length, 200);
  fails(2, /INVALID_OPTION output: holds a finished run.*--resume --epochs N.*--fresh/, 'train', '-c', long, '-o', out);
  fails(2, /INVALID_OPTION seed: was 3 in the run/, 'train', '-c', long, '-o', out, '--resume', '--seed', '7');
  assert.ok(bytes(out, 'model.safetensors').equals(reference()), 'a refusal replaces nothing');
});

test('kill -9, twice, then --resume: the same bytes; --fresh starts over', async () => {
  const out = output();
  for (const [start, epoch] of [
    ['--fresh', 3],
    ['--resume', 30],
  ] as const) {
    const killed = await interrupted(['train', '-c', long, '-o', out, start], epoch, 'SIGKILL');
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
  }
  ok('train', '-c', long, '-o', out, '--resume');
  assert.ok(bytes(out, 'model.safetensors').equals(reference()));
  const killed = await interrupted(['train', '-c', long, '-o', out, '--fresh'], 3, 'SIGKILL');
  assert.equal(killed.signal, 'SIGKILL');
  assert.match(ok('train', '-c', long, '-o', out, '--fresh').stderr, /epoch +1\/200/);
  assert.ok(bytes(out, 'model.safetensors').equals(reference()));
});

test('a refit that is killed resumes to the same bytes', async () => {
  const path = config((c) => (c['training'] = { epochs: 60, metaBatch: 4, refit: true }));
  const [whole, out] = [output(), output()];
  ok('train', '-c', path, '-o', whole);
  const { best } = JSON.parse(bytes(whole, 'manifest.json').toString()) as { best: { epoch: number } };
  for (const [label, start] of [
    ['train', '--fresh'],
    ['refit', '--resume'],
  ] as const) {
    await new Promise<void>((done) => {
      const child = spawn(process.execPath, [main, 'train', '-c', path, '-o', out, start], { cwd: folder });
      let text = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (new RegExp(`${label} epoch`).test(text)) child.kill('SIGKILL');
      });
      child.on('close', () => done());
    });
  }
  const resumed = ok('train', '-c', path, '-o', out, '--resume');
  assert.match(resumed.stderr, new RegExp(`refit for ${best.epoch} epochs`));
  assert.ok(bytes(out, 'model.safetensors').equals(bytes(whole, 'model.safetensors')));
});

test('a checkpoint of another configuration is refused by name', async () => {
  const out = output();
  await interrupted(['train', '-c', long, '-o', out], 2, 'SIGINT');
  const other = config((c) => {
    c['training'] = { epochs: 200, metaBatch: 4 };
    part(c, 'algorithm')['steps'] = 2;
  });
  fails(
    2,
    /INVALID_OPTION algorithm\.steps: was 3 in the run.*got 2.*--fresh/,
    'train',
    '-c',
    other,
    '-o',
    out,
    '--resume',
  );
});
