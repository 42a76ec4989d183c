/**
 * `npm run build:prebuilds [-- --arch arm64]`: the native core as a binary under prebuilds/, which node-gyp-build finds by platform,
 * architecture and C library. Built in a folder of its own, so the checkout's build stays; on Linux with glibc the result is
 * refused where it needs a symbol of a later glibc than the baseline.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BASELINE, newerThan } from './symbols.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { arch } = parseArgs({ options: { arch: { type: 'string', default: process.arch } } }).values;
const require = createRequire(join(root, 'package.json'));
const prebuildify = require('prebuildify');
const work = join(root, 'build', `prebuild-${process.platform}-${arch}`);
const folder = join(root, 'prebuilds', `${process.platform}-${arch}`);
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });

const cross = process.platform === 'linux' && arch === 'arm64' && process.arch !== 'arm64';
await new Promise((done, failed) =>
  prebuildify(
    {
      name: 'innerloop',
      napi: true,
      tagLibc: process.platform === 'linux',
      strip: process.platform !== 'win32',
      ...(cross && { stripBin: 'aarch64-linux-gnu-strip' }),
      arch,
      cwd: work,
      out: root,
      nodeGyp: join(root, 'native', 'prebuild', process.platform === 'win32' ? 'cmake.cmd' : 'cmake.mjs'),
    },
    (error) => (error ? failed(error) : done()),
  ),
);
rmSync(work, { recursive: true, force: true });

for (const name of readdirSync(folder).filter((file) => file.endsWith('.glibc.node'))) {
  const newer = newerThan(BASELINE, join(folder, name));
  if (newer.length === 0) continue;
  console.error(
    `${name} needs more than glibc ${BASELINE}: ${newer.join(', ')}. Add them to native/prebuild/glibc.cc.`,
  );
  process.exit(1);
}
console.log(`prebuilds/${process.platform}-${arch}: ${readdirSync(folder).join(', ')}`);
