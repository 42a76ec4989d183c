/**
 * `npm start` on a fresh clone of the current commit, as a newcomer runs it: it must end with a list of films, on the quick build of the
 * core, which everything but `npm start` replaces. Prints the seconds that it took, which are compared with nothing: they are the machine's.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const clone = mkdtempSync(join(tmpdir(), 'innerloop-start-'));
process.on('exit', () => rmSync(clone, { recursive: true, force: true }));
const run = (command, args, cwd) => spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });

const cloned = run('git', ['clone', '--quiet', '--no-hardlinks', root, clone]);
assert.equal(cloned.status, 0, cloned.stderr);
const started = performance.now();
const { status, stdout, stderr } = run('npm', ['start'], clone);
const seconds = ((performance.now() - started) / 1000).toFixed(0);
assert.equal(status, 0, stdout + stderr);
assert.match(stdout, /Recommended, of the \d+ films/);
assert.ok(
  stdout
    .trim()
    .split('\n')
    .filter((line) => /^ +\d\.\d\d +\S/.test(line)).length >= 10,
  stdout,
);

const remembered = readFileSync(join(clone, 'build', 'CMakeCache.txt'), 'utf8');
assert.match(remembered, /^INNERLOOP_QUICK:BOOL=ON$/m);
const doctor = run('node', ['dist/lib/cli/main.js', 'doctor'], clone);
assert.equal(doctor.status, 0, doctor.stdout + doctor.stderr);
console.log(doctor.stdout);
console.log(`npm start on a fresh clone: ${seconds} s`);
