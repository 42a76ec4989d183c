#!/usr/bin/env node
/**
 * What prebuildify runs in place of node-gyp: CMake through cmake-js, so that CMakeLists.txt is the one description of the
 * build. It calls this with node-gyp's options, of which only the architecture matters: Node-API headers come with cmake-js.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const require = createRequire(join(root, 'package.json'));
const { bin } = require('cmake-js/package.json');
const cmake = join(dirname(require.resolve('cmake-js/package.json')), bin['cmake-js']);
const { PREBUILD_ARCH = process.arch, PREBUILD_LIBC, PREBUILD_PLATFORM = process.platform } = process.env;
const args = [cmake, 'build', '-d', root, '-O', join(process.cwd(), 'build'), '--config', 'Release'];
args.push('--arch', PREBUILD_ARCH);
if (PREBUILD_PLATFORM === 'linux' && PREBUILD_LIBC !== 'musl') args.push('--CDINNERLOOP_PORTABLE=ON');
if (PREBUILD_PLATFORM === 'linux' && PREBUILD_ARCH !== process.arch) {
  args.push(`--CDCMAKE_TOOLCHAIN_FILE=${join(root, 'native', 'prebuild', `linux-${PREBUILD_ARCH}.cmake`)}`);
}
const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' });
if (error !== undefined) throw error;
process.exit(status ?? 1);
