/**
 * `npm run test:mutants [-- part of a name …]`: plants the faults of mutants.mjs one after the other in a copy of the tree, runs the
 * suites that should notice, and lists the faults that none noticed. Fails if there is such a fault without an explanation, if the text
 * that a fault changes is not found exactly once, or if a suite fails without a fault.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { runTestFile } from '../../dist/test/fixtures/tap.js';
import { MUTANTS } from './mutants.mjs';
import { filesOfSuites, placeOf } from './places.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const wanted = process.argv.slice(2);
const chosen = MUTANTS.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
/** A fault can make a suite hang: it has five times as long as it took without one, and at least a minute. */
const WITHOUT_FAULT = 20 * 60_000;
const took = new Map();

let broken = 0;
const complain = (text) => {
  broken++;
  console.log(text);
};
const places = new Map();
for (const mutant of chosen) {
  const { file, problem } = placeOf(root, mutant);
  if (file !== undefined) places.set(mutant, file);
  if (problem !== undefined) complain(`GONE      ${mutant.name}: ${problem}`);
}
if (broken > 0) process.exit(1);

const copy = mkdtempSync(join(tmpdir(), 'innerloop-mutants-'));
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
for (const name of [
  'lib',
  'native',
  'test',
  'data',
  'bench',
  'dist',
  'CMakeLists.txt',
  'package.json',
  'tsconfig.json',
])
  cpSync(join(root, name), join(copy, name), {
    recursive: true,
    filter: (path) => !path.endsWith(`${sep}node_modules`),
  });
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
// The addon as the checkout built it serves until a fault of the core needs a build.
const ADDON = join('build', 'Release', 'innerloop.node');
mkdirSync(join(copy, dirname(ADDON)), { recursive: true });
cpSync(join(root, ADDON), join(copy, ADDON));

const require = createRequire(join(root, 'package.json'));
const cmake = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
/** Whether the addon of the copy was built from other sources than lie there now. */
let isStale = false;
/** Undefined if it builds. */
function buildNative() {
  isStale = false;
  const args = [cmake, 'build', '-d', copy, '-O', join(copy, 'build'), '--parallel', String(availableParallelism())];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return status === 0 ? undefined : stdout + stderr;
}

/** Puts a text of a source into the copy, and what is compiled from it. */
function put(file, text) {
  writeFileSync(join(copy, file), text);
  if (!file.endsWith('.ts') || isStale) {
    const problem = buildNative();
    if (!file.endsWith('.ts') || problem !== undefined) return problem;
  }
  const { compilerOptions } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.convertCompilerOptionsFromJson(compilerOptions, root);
  // Without a package beside it the compiler takes a single text for CommonJS, which no test could load.
  options.module = ts.ModuleKind.ESNext;
  writeFileSync(
    join(copy, 'dist', file.replace(/\.ts$/, '.js')),
    ts.transpileModule(text, { compilerOptions: options }).outputText,
  );
  return undefined;
}

const filesOf = ({ suites }) => filesOfSuites(copy, suites);
async function failuresIn(file) {
  const begun = performance.now();
  const limit = took.has(file) ? Math.max(60_000, Math.ceil(5 * took.get(file))) : WITHOUT_FAULT;
  const { failed, passed } = await runTestFile([join(copy, 'dist', 'test', file)], {}, { stderr: 'ignore', limit });
  if (!took.has(file)) took.set(file, performance.now() - begun);
  if (failed.length === 0 && passed.length === 0) return [`${file}: nothing ran`];
  return failed.map(({ name }) => `${file}: ${name}`);
}

const started = performance.now();
if ([...places.values()].some((file) => !file.endsWith('.ts'))) {
  rmSync(join(copy, ADDON));
  const problem = buildNative();
  if (problem !== undefined) throw new Error(`the copy does not build:\n${problem}`);
  if (!existsSync(join(copy, ADDON))) throw new Error('the build made no addon');
}
const failing = new Set();
// Sources that faults will change, compiled as those will be: that a fault is noticed must not mean that nothing loads.
for (const file of new Set(places.values()))
  if (file.endsWith('.ts')) put(file, readFileSync(join(copy, file), 'utf8'));
for (const file of filesOfSuites(
  copy,
  [...places.keys()].flatMap(({ suites }) => suites),
)) {
  const failures = await failuresIn(file);
  if (failures.length === 0) continue;
  complain(`FAILS     without any fault: ${failures.join('; ')}`);
  failing.add(file);
}
console.log(`# ${chosen.length} faults; built, and the suites run without one in ${seconds(started)} s`);

const survivors = [];
let noticed = 0;
for (const [mutant, file] of places) {
  const suites = filesOf(mutant).filter((suite) => !failing.has(suite));
  if (suites.length === 0) {
    complain(`NOT TRIED ${mutant.name}: its suites fail without it`);
    continue;
  }
  const begun = performance.now();
  const original = readFileSync(join(copy, file), 'utf8');
  let by =
    put(
      file,
      original.replace(mutant.from, () => mutant.to),
    ) === undefined
      ? undefined
      : 'the compiler';
  // A fault that does not compile plants nothing.
  if (by !== undefined) complain(`INVALID   ${mutant.name}: does not compile`);
  for (const suite of suites) {
    if (by !== undefined) break;
    by = (await failuresIn(suite))[0];
  }
  if (file.endsWith('.ts')) put(file, original);
  else {
    writeFileSync(join(copy, file), original);
    isStale = true;
  }
  if (by === undefined) {
    survivors.push(mutant);
    console.log(
      `SURVIVED  ${mutant.name} (${file}, ${seconds(begun)} s)${mutant.explained ? `: ${mutant.explained}` : ''}`,
    );
  } else {
    noticed++;
    console.log(`noticed   ${mutant.name} (${seconds(begun)} s) by ${by}`);
  }
}
const unexplained = survivors.filter(({ explained }) => explained === undefined);
console.log(`mutants: ${noticed} noticed, ${survivors.length} survived, ${unexplained.length} of them not explained`);
process.exitCode = broken > 0 || unexplained.length > 0 || noticed === 0 ? 1 : 0;

function seconds(since) {
  return ((performance.now() - since) / 1000).toFixed(0);
}
