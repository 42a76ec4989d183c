/**
 * Runs the compiled tests: all of them with the instruction set that this machine picks, then the numeric suites once more for
 * each other instruction set it has. The last line is `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const NUMERIC = /^(native\/kernels|model\/(model|layers)|meta\/(golden|inner-rule|solvers|derivatives|forms))\./;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'dist', 'test');
const wanted = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll(sep, '/'))
  .filter((name) => name.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .sort();

const total = { passed: 0, failed: 0, skipped: 0 };
const skipped = [];
const failures = [];

const { isa, isas } = createRequire(import.meta.url)('node-gyp-build')(root);
await runFiles(files, process.env.INNERLOOP_ISA ?? isa);
// A run for one instruction set by the environment is that one only.
if (process.env.INNERLOOP_ISA === undefined) {
  const numeric = files.filter((name) => NUMERIC.test(name));
  for (const other of isas) if (other !== isa && numeric.length > 0) await runFiles(numeric, other);
}

for (const name of failures) console.log(`failed: ${name}`);
for (const name of skipped) console.log(`skipped: ${name}`);
if (total.passed === 0) console.log('no test passed: that is a failure');
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** One `node --test` process over some files. */
async function runFiles(names, instructionSet) {
  if (names.length === 0) return;
  console.log(`# ${names.length} files on ${instructionSet}`);
  const env = { ...process.env, INNERLOOP_ISA: instructionSet };
  // A runner started inside another reports to it instead of printing.
  delete env.NODE_TEST_CONTEXT;
  const args = ['--test', '--test-reporter=tap', '--test-concurrency=1', ...names.map((name) => join(folder, name))];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const before = total.failed;
  let rest = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    process.stdout.write(chunk);
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) read(line, instructionSet);
  });
  const code = await new Promise((done) => child.on('close', (status, signal) => done(signal ?? status)));
  read(rest, instructionSet);
  // A crash that no test reports is a failure too.
  if (code !== 0 && total.failed === before) {
    total.failed++;
    failures.push(`the test process on ${instructionSet} ended with ${code}`);
  }
}

function read(line, instructionSet) {
  const count = /^# (pass|fail|cancelled|skipped|todo) (\d+)$/.exec(line);
  if (count !== null) {
    const kind = { pass: 'passed', skipped: 'skipped', todo: 'skipped' }[count[1]] ?? 'failed';
    total[kind] += Number(count[2]);
    return;
  }
  const test = /^\s*(ok|not ok) \d+ - (.*?)( # (SKIP|TODO).*)?$/.exec(line);
  if (test === null) return;
  if (test[4] !== undefined)
    skipped.push(`${test[2]} [${instructionSet}]${test[3].replace(/^ # (SKIP|TODO)/, '').replace(/^ /, ': ')}`);
  else if (test[1] === 'not ok') failures.push(`${test[2]} [${instructionSet}]`);
}
