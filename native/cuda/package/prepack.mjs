/** Copies the plugin that `npm run build:cuda` has built beside package.json; throws if it is missing or the versions differ. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');
const versionIn = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
const library = join(root, 'build', 'cuda', 'innerloop_cuda.so');

if (versionIn(here) !== versionIn(root)) throw new Error(`the version must be that of innerloop, ${versionIn(root)}`);
if (!existsSync(library)) throw new Error('npm run build:cuda first');
copyFileSync(library, join(here, 'innerloop_cuda.so'));
