/**
 * Makes a fresh clone runnable: dependencies, native core, TypeScript. Each step runs only if something changed since it last
 * ran. With `--library` it leaves out what only checking needs (the workspace `test` and the compilation of tests and benchmarks),
 * which is most of the first install; with `--quick` a first build of the core is quick to make, and less optimised (CMakeLists.txt),
 * which does for a first look. Plain JavaScript without dependencies, since it runs before there are any.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);
/** Hash of the lock file that node_modules was installed by, and whether the library's part of it is all there is. */
const installed = at('node_modules', '.innerloop-lock');
const LIBRARY_PART = ' library';
const binary = at('build', 'Release', 'innerloop.node');
/** Written after a compilation without errors; tsc itself emits in spite of them. */
const compiled = at('dist', '.compiled');
/** Why SQLite for the tests could not be built: tried once an installation. */
const NOT_BUILT = '.innerloop-not-built';
const isWindows = process.platform === 'win32';
const quickly = process.argv.includes('--quick');

checkNode();
// What is complete already stays complete.
const libraryOnly = process.argv.includes('--library') && !isWhole();
await step('dependencies', needsDependencies, installDependencies);
// What was cloned was checked before it was committed: for the first run its types are left out, and it compiles beside the core.
const unchecked = libraryOnly && !existsSync(compiled) ? compileUnchecked() : undefined;
await step('native core', needsNative, buildNative);
// Each of these two occupies one processor, for about as long.
const sqliteBuilt = needsSqlite() ? buildSqlite() : undefined;
await step(
  'TypeScript',
  () => unchecked !== undefined || needsTypeScript(),
  () => unchecked ?? buildTypeScript(),
);
await step(
  'SQLite for the tests',
  () => sqliteBuilt !== undefined,
  () => sqliteBuilt,
);

async function step(name, needed, run) {
  if (!needed()) return;
  const started = performance.now();
  process.stderr.write(`setup: ${name} ... `);
  await run();
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24;
  if (!fits) fail(`Node.js ${process.versions.node} is not supported.`, 'Install Node.js 20.19, 22.12, 24 or newer.');
}

// ----------------------------------------------------------------------------------------------------- dependencies

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');
}

function isWhole() {
  return existsSync(installed) && readFileSync(installed, 'utf8') === lockHash();
}

function needsDependencies() {
  if (!existsSync(at('node_modules', '.package-lock.json'))) return true;
  if (existsSync(installed)) return readFileSync(installed, 'utf8') !== lockHash() + (libraryOnly ? LIBRARY_PART : '');
  // Installed by hand: good enough if it is not older than the lock file.
  return statSync(at('node_modules', '.package-lock.json')).mtimeMs < statSync(at('package-lock.json')).mtimeMs;
}

async function installDependencies() {
  // No package needs its install script; the native core is built below.
  const ran = await run(isWindows ? 'npm.cmd' : 'npm', [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...(libraryOnly ? ['--workspaces=false'] : []),
  ]);
  if (!ran.ok) fail('npm ci failed:', ran.output);
  writeFileSync(installed, lockHash() + (libraryOnly ? LIBRARY_PART : ''));
}

// ------------------------------------------------------------------------------------------------------- native core

function needsNative() {
  if (!existsSync(binary) || cacheIsForeign() || (wasQuick() && !quickly)) return true;
  const sources = [at('CMakeLists.txt'), at('binding.gyp'), ...filesBelow(at('native'))];
  const built = statSync(binary).mtimeMs;
  return sources.some((file) => statSync(file).mtimeMs > built);
}

/** What CMake remembers of its last run here. */
function cmakeCache() {
  const cache = at('build', 'CMakeCache.txt');
  return existsSync(cache) ? readFileSync(cache, 'utf8') : undefined;
}

function wasQuick() {
  return /^INNERLOOP_QUICK:BOOL=ON$/m.test(cmakeCache() ?? '');
}

/** In a copy of a built checkout CMake would go on compiling the sources of the original. */
function cacheIsForeign() {
  const cache = cmakeCache();
  if (cache === undefined) return false;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(cache)?.[1].trim();
  return home === undefined || !existsSync(home) || realpathSync(home) !== realpathSync(root);
}

async function buildNative() {
  const compilers = ['c++', 'g++', 'clang++', 'cl'];
  if (!isWindows && process.env.CXX === undefined && !compilers.some(onPath)) noCompiler();
  const useCMake = onPath('cmake') && (isWindows || onPath('make') || onPath('ninja'));
  const build = useCMake ? cmakeBuild : gypBuild;
  if (cacheIsForeign()) rmSync(at('build'), { recursive: true, force: true });
  let ran = await build();
  // A cache of another compiler makes CMake fail where a clean build would not.
  if (!ran.ok && useCMake && existsSync(at('build', 'CMakeCache.txt'))) {
    rmSync(at('build'), { recursive: true, force: true });
    ran = await build();
  }
  // node-gyp knows nothing of warnings as errors.
  if (!ran.ok && useCMake && process.env.INNERLOOP_WERROR !== '1') ran = await gypBuild();
  if (!ran.ok) fail('the native core did not build:', ran.output);
  if (!existsSync(binary)) fail(`the build made no ${binary}:`, ran.output);
  // A build that had nothing to do leaves an old time.
  utimesSync(binary, new Date(), new Date());
}

function cmakeBuild() {
  // Where a commit is checked a warning of the compiler stops the build.
  const strict = process.env.INNERLOOP_WERROR === '1' ? ['--CDINNERLOOP_WERROR=ON'] : [];
  // And the tests run on the binary that the package will hold (native/prebuild).
  const portable = process.env.INNERLOOP_PORTABLE === '1' ? ['--CDINNERLOOP_PORTABLE=ON'] : [];
  // Whoever builds it again is at work on it.
  const quick =
    quickly && !existsSync(binary) ? ['--CDINNERLOOP_QUICK=ON'] : wasQuick() ? ['--CDINNERLOOP_QUICK=OFF'] : [];
  const options = [...strict, ...portable, ...quick];
  return run(process.execPath, [bin('cmake-js', 'cmake-js'), 'build', '--config', 'Release', ...options]);
}

function gypBuild() {
  return run(process.execPath, [bin('node-gyp', 'node-gyp'), 'rebuild', '--release']);
}

function noCompiler() {
  const hints = {
    linux: 'Debian, Ubuntu: apt install build-essential cmake   Fedora: dnf install gcc-c++ make cmake',
    darwin: 'xcode-select --install',
  };
  fail(
    'no C++ compiler was found; the native core needs one with C++20 (GCC 11, Clang 14, MSVC 2022 or newer).',
    hints[process.platform] ?? '',
  );
}

// ------------------------------------------------------------------------------------------------------------ SQLite

/** Node.js has SQLite itself from 22.13; before, tests of the service's state use a package whose native part is not installed yet. */
function needsSqlite() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (libraryOnly || major > 22 || (major === 22 && minor >= 13) || !existsSync(sqlite())) return false;
  return ![sqlite('build', 'Release', 'better_sqlite3.node'), sqlite(NOT_BUILT)].some(existsSync);
}

function sqlite(...names) {
  return at('node_modules', 'better-sqlite3', ...names);
}

/** Compiled where no binary can be fetched, quickly rather than for speed. Without it those tests are skipped by name. */
async function buildSqlite() {
  const npm = isWindows ? 'npm.cmd' : 'npm';
  const log = join(mkdtempSync(join(tmpdir(), 'innerloop-sqlite-')), 'log');
  const output = openSync(log, 'w');
  const child = spawn(npm, ['rebuild', 'better-sqlite3', '--ignore-scripts=false', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', output, output],
    shell: isWindows,
    env: { CFLAGS: '-O1', CXXFLAGS: '-O1', ...process.env },
  });
  const status = await new Promise((done) => child.once('exit', done).once('error', done));
  closeSync(output);
  if (status !== 0) writeFileSync(sqlite(NOT_BUILT), `${status instanceof Error ? status.message : readFileSync(log)}`);
  rmSync(dirname(log), { recursive: true });
}

// -------------------------------------------------------------------------------------------------------- TypeScript

function needsTypeScript() {
  if (!existsSync(compiled) || !existsSync(at('dist', 'lib', 'cli', 'main.js'))) return true;
  // What the library's part was compiled by knows nothing of the tests.
  if (readFileSync(compiled, 'utf8') !== (libraryOnly ? 'library' : 'all')) return true;
  const sources = [
    at('tsconfig.json'),
    at('package.json'),
    ...(libraryOnly ? ['lib'] : ['lib', 'test', 'bench'])
      .flatMap((name) => filesBelow(at(name)))
      .filter((file) => file.endsWith('.ts') || file.endsWith('tsconfig.json')),
  ];
  const built = statSync(compiled).mtimeMs;
  return sources.some((file) => statSync(file).mtimeMs > built);
}

async function buildTypeScript() {
  // Each of the two projects remembers what it has written, and does not see that the other has written it since.
  const [project, other] = libraryOnly ? [at('lib'), '.tsbuildinfo'] : [root, '.tsbuildinfo-library'];
  rmSync(at('dist', other), { force: true });
  noteCompiled(await run(process.execPath, [bin('typescript', 'tsc'), '-p', project]));
}

/** The first run's: JavaScript alone, in a third of the time that checking takes. What is changed later is checked. */
async function compileUnchecked() {
  const output = ['--noCheck', '--declaration', 'false'];
  noteCompiled(await run(process.execPath, [bin('typescript', 'tsc'), '-p', at('lib'), ...output]));
}

function noteCompiled(ran) {
  if (!ran.ok) fail('TypeScript found errors:', ran.output);
  removeOrphans();
  writeFileSync(compiled, libraryOnly ? 'library' : 'all');
}

/** Compiled tests of sources that are gone would still run. */
function removeOrphans() {
  for (const file of filesBelow(at('dist', 'test'))) {
    const source = file.replace(at('dist'), root).replace(/\.d\.ts$|\.js$/, '.ts');
    if (/\.(js|d\.ts)$/.test(file) && !existsSync(source)) rmSync(file);
  }
}

// ----------------------------------------------------------------------------------------------------------- helpers

/** Runs quietly; the output is kept for the case that it fails. */
function run(command, args) {
  const options = { cwd: root, maxBuffer: 1 << 28, shell: isWindows && command.endsWith('.cmd') };
  return new Promise((done) => {
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const started = typeof error?.code !== 'string';
      done({ ok: error === null, output: [stdout, stderr, started ? '' : error.message].filter(Boolean).join('\n') });
    });
    child.stdin?.end();
  });
}

/** A package's program, by its own package.json: the links of node_modules/.bin differ by system. */
function bin(name, command) {
  const require = createRequire(at('package.json'));
  const manifest = require.resolve(`${name}/package.json`);
  return join(dirname(manifest), require(manifest).bin[command] ?? require(manifest).bin);
}

function onPath(name) {
  const names = isWindows ? [`${name}.exe`, `${name}.cmd`] : [name];
  return (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => names.some((file) => existsSync(join(folder, file))));
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.name === 'node_modules'
      ? []
      : entry.isDirectory()
        ? filesBelow(join(folder, entry.name))
        : [join(folder, entry.name)],
  );
}

function fail(what, details = '') {
  process.stderr.write(`\nsetup: ${what}\n${details}\n`);
  process.exit(1);
}
