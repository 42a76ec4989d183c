#!/usr/bin/env node
/**
 * What prebuildify runs in place of node-gyp: CMake through cmake-js, so that CMakeLists.txt is the one description of the
 * build. It calls this with node-gyp's options, of which only the architecture matters: Node-API headers come with cmake-js.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const require = createRequire(join(root, 'package.json'));
const { bin } = require('cmake-js/package.json');
const cmake = join(dirname(require.resolve('cmake-js/package.json')), bin['cmake-js']);
const { PREBUILD_ARCH = process.arch, PREBUILD_LIBC, PREBUILD_PLATFORM = process.platform } = process.env;
const output = join(process.cwd(), 'build');

// What `INNERLOOP_PORTABLE=1 npm run setup` has built is this very binary.
const cache = join(root, 'build', 'CMakeCache.txt');
const built = join(root, 'build', 'Release', 'innerloop.node');
if (
  process.env.INNERLOOP_PORTABLE === '1' &&
  PREBUILD_ARCH === process.arch &&
  existsSync(built) &&
  existsSync(cache)
) {
  const isPortable = /^INNERLOOP_PORTABLE:\w+=ON$/m.test(readFileSync(cache, 'utf8'));
  if (isPortable) {
    mkdirSync(join(output, 'Release'), { recursive: true });
    copyFileSync(built, join(output, 'Release', 'innerloop.node'));
    process.exit(0);
  }
}

const args = [cmake, 'build', '-d', root, '-O', output, '--config', 'Release'];
args.push('--arch', PREBUILD_ARCH);
if (PREBUILD_PLATFORM === 'linux' && PREBUILD_LIBC !== 'musl') args.push('--CDINNERLOOP_PORTABLE=ON');
if (PREBUILD_PLATFORM === 'linux' && PREBUILD_ARCH !== process.arch) {
  args.push(`--CDCMAKE_TOOLCHAIN_FILE=${join(root, 'native', 'prebuild', `linux-${PREBUILD_ARCH}.cmake`)}`);
}
const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' });
if (error !== undefined) throw error;
process.exit(status ?? 1);
