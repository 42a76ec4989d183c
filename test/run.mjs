/**
 * `node test/run.mjs [part of a path …]`: runs the compiled tests, some files at a time: all of them with the instruction set that this
 * machine picks, then the numeric suites once more for each other instruction set it has. The last line is
 * `N passed, N failed, N skipped`.
 */
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ALONE, isAmong, NUMERIC } from '../dist/test/fixtures/suites.js';
import { runTestFile } from '../dist/test/fixtures/tap.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'dist', 'test');
const wanted = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll(sep, '/'))
  .filter((name) => name.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .sort();

const failed = [];
const skipped = [];
let passed = 0;

process.chdir(root);
const { isa, isas } = createRequire(import.meta.url)('node-gyp-build')(root);
await runFiles(files, process.env.INNERLOOP_ISA ?? isa);
// A run for one instruction set by the environment is that one only.
if (process.env.INNERLOOP_ISA === undefined) {
  const numeric = files.filter((name) => isAmong(name, NUMERIC));
  for (const other of isas) if (other !== isa) await runFiles(numeric, other);
}

for (const line of failed) console.log(`failed: ${line}`);
for (const line of skipped) console.log(`skipped: ${line}`);
if (passed === 0) console.log('no test passed: that is a failure');
console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
process.exitCode = failed.length > 0 || passed === 0 ? 1 : 0;

/**
 * One file more than there are processors, since most of them use one, and wait at times: for a disk, a clock, another process. At
 * the most four. Then those that need the machine to themselves.
 */
async function runFiles(names, instructionSet) {
  const [alone, beside] = [names.filter((name) => isAmong(name, ALONE)), names.filter((name) => !isAmong(name, ALONE))];
  const lane = async () => {
    for (let name = beside.shift(); name !== undefined; name = beside.shift()) await runFile(name, instructionSet);
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism() + 1, 4) }, lane));
  for (const name of alone) await runFile(name, instructionSet);
}

async function runFile(name, instructionSet) {
  const started = performance.now();
  const file = await runTestFile([join(folder, name)], { INNERLOOP_ISA: instructionSet });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  passed += file.passed.length;
  const counts = `${file.passed.length} passed, ${file.failed.length} failed, ${file.skipped.length} skipped`;
  console.log(`${name} on ${instructionSet}: ${counts}, ${seconds} s`);
  for (const test of file.comments) console.log(`  ${test.name}: ${test.text}`);
  for (const test of file.failed) {
    failed.push(`${name}: ${test.name} [${instructionSet}]`);
    console.log(`not ok: ${test.name}\n${test.details}`);
  }
  for (const test of file.skipped) skipped.push(`${name}: ${test.name} [${instructionSet}]: ${test.reason}`);
}
