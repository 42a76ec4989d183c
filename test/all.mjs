/**
 * `npm run test:all [-- part of a name …]`: what is too long for every commit. Each step is a file of test/all/ that exports
 *
 *     { command: string[], minutes: number, needs?: { [program]: 'Debian package' } }
 *
 * A step passes with exit code 0; with 77 it was skipped, and its last line says why. Lines that begin with SKIPPED are parts that a
 * step could not try. A step that takes longer than its minutes hangs, and has failed; INNERLOOP_PATIENCE=3 waits three times as long, for a
 * busy machine. A step that passed is written to test/all.json, with the commit on which it did; one that failed leaves it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wanted = process.argv.slice(2);
const names = readdirSync(join(root, 'test', 'all'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -4))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort();

const record = join(root, 'test', 'all.json');
const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!test/all.json') !== '';
const on = {
  commit: git('rev-parse', 'HEAD') + (changed ? ' with changes' : ''),
  date: new Date().toISOString().slice(0, 10),
  machine: `${process.platform} ${process.arch}, ${availableParallelism()} cores, Node ${process.versions.node}`,
};

const steps = [];
for (const name of names) {
  const { command, minutes, needs = {} } = (await import(`./all/${name}.mjs`)).default;
  console.log(`# ${name}: ${command.join(' ')}`);
  const missing = Object.entries(needs).filter(([program]) => !onPath(program));
  const started = performance.now();
  const step =
    missing.length > 0
      ? { result: 'skipped', reasons: missing.map(([program, source]) => `no ${program} (Debian: ${source})`) }
      : await run(command, minutes);
  const seconds = Math.round((performance.now() - started) / 1000);
  steps.push({ name, ...step, seconds });
  console.log(`# ${name}: ${step.result}, ${seconds} s`);
  if (step.result === 'passed') keep(name, { ...on, seconds, reasons: step.reasons });
}

console.log();
for (const { name, result, reasons, seconds } of steps) {
  console.log(`${result.padEnd(8)} ${String(seconds).padStart(5)} s  ${name}`);
  for (const reason of reasons) console.log(`                   ${reason}`);
}
const count = (result) => steps.filter((step) => step.result === result).length;
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(count);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

/** Each step by itself, since the whole takes more than an hour and a part of it may be run alone. */
function keep(name, passed) {
  const before = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : {};
  const now = Object.entries({ ...before, [name]: passed }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(record, `${JSON.stringify(Object.fromEntries(now), null, 2)}\n`);
}

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function run([program, ...args], minutes) {
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: minutes * 60_000 * Number(process.env.INNERLOOP_PATIENCE ?? 1),
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    process.stdout.write(chunk);
    output += chunk;
  });
  const ended = await new Promise((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (status, signal) => done(signal ?? status));
  });
  const lines = output.trimEnd().split('\n');
  const reasons = lines.filter((line) => /^skipped:?\s/i.test(line)).map((line) => line.replace(/^skipped:?\s*/i, ''));
  if (ended === 77) return { result: 'skipped', reasons: [lines.at(-1)] };
  if (ended !== 0) return { result: 'failed', reasons: [...reasons, `it ended with ${ended}`] };
  return { result: 'passed', reasons };
}
