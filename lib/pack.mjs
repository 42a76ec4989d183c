/**
 * What npm runs before it packs or publishes (`prepack`): builds everything that the tarball holds, and refuses to make one
 * that lacks a part. The parts that a checkout does not have:
 *
 *   prebuilds/<platform>/   the native core, so that nobody needs a compiler
 *   dist/cli/               the command line, bundled with the library and what it alone needs (zod, commander), so that the library's users
 *                           install neither; its licences beside it
 *   dist/cjs/               the door for `require`, and the declarations as a CommonJS module sees them
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);

/** Compiled entry points of the command line: the command, and what it starts in processes and threads of their own. */
const ENTRIES = [
  'cli/main.js',
  'cli/compare-worker.js',
  'cli/tune-worker.js',
  'foundation/device-probe.js',
  'service/state/sqlite-worker.js',
  'service/workers/worker.js',
];
const PLATFORM = `${process.platform}-${process.arch}`;

run([at('lib', 'setup.mjs')]);
if (!hasPrebuild(PLATFORM)) run([at('native', 'prebuild', 'prebuild.mjs')]);
await bundleCommandLine();
writeCommonJs();
refuseIncomplete();

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(`${relative(root, args[0])} failed`);
}

/** Whether there is a binary, made after the last change of its sources: an older one would lack what the library calls. */
function hasPrebuild(platform) {
  const folder = at('prebuilds', platform);
  if (!existsSync(folder)) return false;
  const changed = Math.max(
    ...readdirSync(at('native'), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(cc|h|inl|txt)$/.test(name))
      .map((name) => statSync(at('native', name)).mtimeMs),
  );
  const binaries = readdirSync(folder).filter((name) => name.endsWith('.node'));
  return binaries.length > 0 && binaries.every((name) => statSync(join(folder, name)).mtimeMs >= changed);
}

/**
 * The command line with all that it uses, in a few files: reading some three hundred small ones takes a command as long as training
 * on a small table. What is started by the address of a file beside it keeps that address, since all of them lie in one folder.
 */
async function bundleCommandLine() {
  const { build } = await import('esbuild');
  const out = at('dist', 'cli');
  rmSync(out, { recursive: true, force: true });
  const { metafile } = await build({
    entryPoints: Object.fromEntries(ENTRIES.map((name) => [basename(name, '.js'), at('dist', 'lib', name)])),
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    metafile: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
    external: ['@duckdb/*', 'node-gyp-build', 'fastify', 'pg', 'better-sqlite3'],
    banner: {
      js: "import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);",
    },
  });
  const packages = new Set(
    Object.keys(metafile.inputs).flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []),
  );
  const notices = [...packages].sort().map((name) => {
    const folder = at('node_modules', name);
    const license = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    if (license === undefined) fail(`${name} is bundled, and its licence was not found`);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${readFileSync(join(folder, license), 'utf8').trim()}\n`;
  });
  writeFileSync(join(out, 'LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`));
}

/** `require` gets the very module that `import` gets, so there is one copy of every class. */
function writeCommonJs() {
  const out = at('dist', 'cjs');
  rmSync(out, { recursive: true, force: true });
  const lib = at('dist', 'lib');
  cpSync(lib, out, {
    recursive: true,
    filter: (file) => (!/\.[a-z]+$/.test(file) || file.endsWith('.d.ts')) && !relative(lib, file).startsWith('cli'),
  });
  writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
  writeFileSync(join(out, 'index.js'), "module.exports = require('../lib/index.js');\n");
  writeFileSync(join(out, 'service', 'index.js'), "module.exports = require('../../lib/service/index.js');\n");
}

function refuseIncomplete() {
  const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  const doors = ['.', './service'].flatMap((name) =>
    Object.values(manifest.exports[name]).flatMap((door) => Object.values(door)),
  );
  const needed = [
    ...doors,
    manifest.bin.innerloop,
    ...ENTRIES.map((name) => `dist/cli/${basename(name)}`),
    'dist/cli/LICENSES.txt',
    'lib/cli/config.schema.json',
    'lib/service/demo.html',
    'data/demo.json',
    'data/ml-latest-small.json',
    'data/ml-latest-small/ratings.csv',
    'data/ml-latest-small/movies.csv',
    'CMakeLists.txt',
    'native/sources.txt',
    'README.md',
    'LICENSE',
  ];
  const missing = needed.filter((name) => !existsSync(at(name)));
  if (!hasPrebuild(PLATFORM)) missing.push(`prebuilds/${PLATFORM}/*.node`);
  if (missing.length > 0) fail(`the tarball would lack: ${missing.join(', ')}`);
}

function fail(what) {
  process.stderr.write(`pack: ${what}\n`);
  process.exit(1);
}
