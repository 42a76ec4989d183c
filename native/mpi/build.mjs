/** Builds the addon of this folder into build/mpi, with the headers that the build of the core uses. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(folder));
const require = createRequire(import.meta.url);
// cmake-js brings the headers of Node-API.
const { include_dir: nodeHeaders } = createRequire(require.resolve('cmake-js/package.json'))('node-api-headers');
const { include_dir: addonHeaders } = require('node-addon-api');
const build = join(root, 'build', 'mpi');

function run(args) {
  const { status, error } = spawnSync('cmake', args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) {
    process.stderr.write('MPI is needed with its headers: on Debian, apt-get install openmpi-bin libopenmpi-dev\n');
    process.exit(status ?? 1);
  }
}
const headers = [nodeHeaders, addonHeaders].map((path) => resolve(path.replaceAll('"', ''))).join(';');
run(['-S', folder, '-B', build, `-DINNERLOOP_NODE_HEADERS=${headers}`]);
run(['--build', build, '--parallel', '2']);
