/** What `npm run setup` does again, and what not, in a checkout whose build tools only write down that they were called. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'innerloop-setup-')));
after(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;

const lockHash = (lock: string) => createHash('sha256').update(lock).digest('hex');

/** A checkout in which everything is installed and compiled. */
function checkout(): string {
  const root = join(folder, String(made++));
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  };
  const lock = '{}';
  write('package.json', '{ "type": "commonjs" }');
  write('package-lock.json', lock);
  write('CMakeLists.txt', '');
  write('binding.gyp', '');
  write('tsconfig.json', '{}');
  write('native/core.cc', '');
  write('lib/index.ts', '');
  write('test/some.test.ts', '');
  cpSync(join(packageRoot(), 'lib', 'setup.mjs'), join(root, 'lib', 'setup.mjs'));
  write('node_modules/.package-lock.json', '');
  write('node_modules/.innerloop-lock', lockHash(lock));
  const log = (what: string) =>
    `const fs = require('fs'); fs.appendFileSync(${JSON.stringify(join(root, 'calls'))}, ${JSON.stringify(what)} + ' ' + process.argv.slice(2).join(' ') + (fs.existsSync('build') ? '' : ' afresh') + '\\n');\n`;
  for (const [name, program, text] of [
    [
      'cmake-js',
      'cmake-js',
      `${log('cmake-js')}fs.mkdirSync('build/Release', { recursive: true }); fs.writeFileSync('build/Release/innerloop.node', '');`,
    ],
    ['typescript', 'tsc', log('tsc')],
  ] as const) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, bin: { [program]: 'main.js' } }));
    write(`node_modules/${name}/main.js`, text);
  }
  write('build/CMakeCache.txt', `CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`);
  write('build/Release/innerloop.node', '');
  write('dist/lib/cli/main.js', '');
  write('dist/.compiled', 'all');
  return root;
}

function setup(root: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): string[] {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'lib', 'setup.mjs'), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, INNERLOOP_WERROR: undefined, INNERLOOP_PORTABLE: undefined, ...env },
  });
  assert.equal(status, 0, stderr);
  const calls = join(root, 'calls');
  const lines = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [];
  rmSync(calls, { force: true });
  return lines;
}
const hasCMake = ['cmake', 'make'].every((program) => spawnSync(program, ['--version']).status === 0);
const needsCMake = { skip: hasCMake ? false : 'no cmake and make' };

test('what is complete is left alone, for the library and for the whole', async () => {
  const root = checkout();
  assert.deepEqual(setup(root), []);
  assert.deepEqual(setup(root, ['--library']), []);
});

test('a build folder that came from another checkout is made afresh', needsCMake, async () => {
  const root = checkout();
  writeFileSync(join(root, 'build', 'CMakeCache.txt'), `CMAKE_HOME_DIRECTORY:INTERNAL=${checkout()}\n`);
  assert.deepEqual(setup(root), ['cmake-js build --config Release afresh']);
  const gone = checkout();
  writeFileSync(join(gone, 'build', 'CMakeCache.txt'), `CMAKE_HOME_DIRECTORY:INTERNAL=${join(folder, 'gone')}\n`);
  assert.deepEqual(setup(gone), ['cmake-js build --config Release afresh']);
});

test('a changed source is compiled, with warnings as errors where a commit is checked', needsCMake, async () => {
  const root = checkout();
  const soon = new Date(Date.now() + 60_000);
  const touch = (name: string) => utimesSync(join(root, name), soon, soon);
  touch('native/core.cc');
  assert.deepEqual(setup(root, [], { INNERLOOP_WERROR: '1' }), [
    'cmake-js build --config Release --CDINNERLOOP_WERROR=ON',
  ]);
  touch('native/core.cc');
  const asPacked = setup(root, [], { INNERLOOP_PORTABLE: '1' });
  assert.deepEqual(asPacked, ['cmake-js build --config Release --CDINNERLOOP_PORTABLE=ON']);
});

test('the first build of npm start is a quick one, which does for nothing else', needsCMake, async () => {
  const root = checkout();
  rmSync(join(root, 'build'), { recursive: true });
  const quick = ['--library', '--quick'];
  assert.deepEqual(setup(root, quick), ['cmake-js build --config Release --CDINNERLOOP_QUICK=ON afresh']);
  const cache = `CMAKE_HOME_DIRECTORY:INTERNAL=${root}\nINNERLOOP_QUICK:BOOL=`;
  writeFileSync(join(root, 'build', 'CMakeCache.txt'), `${cache}ON\n`);
  assert.deepEqual(setup(root, quick), []);
  const whole = 'cmake-js build --config Release --CDINNERLOOP_QUICK=OFF';
  assert.deepEqual(setup(root, ['--library']), [whole]);
  assert.deepEqual(setup(root), [whole]);
  writeFileSync(join(root, 'build', 'CMakeCache.txt'), `${cache}OFF\n`);
  assert.deepEqual(setup(root), []);
  assert.deepEqual(setup(root, quick), []);
});

test('after the library alone was compiled, the tests are compiled too', async () => {
  const root = checkout();
  writeFileSync(join(root, 'dist', '.compiled'), 'library');
  assert.deepEqual(setup(root), [`tsc -p ${root}`]);
  assert.equal(readFileSync(join(root, 'dist', '.compiled'), 'utf8'), 'all');
});

test('on a fresh clone the library compiles without checks, and what is changed afterwards with them', async () => {
  const root = checkout();
  rmSync(join(root, 'dist'), { recursive: true });
  mkdirSync(join(root, 'dist', 'lib', 'cli'), { recursive: true });
  writeFileSync(join(root, 'node_modules', '.innerloop-lock'), `${lockHash('{}')} library`);
  assert.deepEqual(setup(root, ['--library']), [`tsc -p ${join(root, 'lib')} --noCheck --declaration false`]);
  assert.equal(readFileSync(join(root, 'dist', '.compiled'), 'utf8'), 'library');
  writeFileSync(join(root, 'dist', 'lib', 'cli', 'main.js'), '');
  assert.deepEqual(setup(root, ['--library']), []);
  const soon = new Date(Date.now() + 60_000);
  utimesSync(join(root, 'lib', 'index.ts'), soon, soon);
  assert.deepEqual(setup(root, ['--library']), [`tsc -p ${join(root, 'lib')}`]);
});
