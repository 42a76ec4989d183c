/**
 * Which folder of `lib/` may import which: a folder imports itself and the folders before it in PIPELINE, never a later one.
 * `npm run lint` fails on an import that points upward. `--print` lists the folders with their files and imports.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The way of a task through the library. `index` and `cli` are the files and folders of these names at the top. */
export const PIPELINE = [
  'foundation',
  'files',
  'charts',
  'data',
  'tasks',
  'model',
  'batch',
  'meta',
  'algorithms',
  'baselines',
  'learner',
  'evaluation',
  'training',
  'serving',
  'scenarios',
  'tune',
  'compare',
  'report',
  'bench',
  'distributed',
  'service',
  'examples',
  'index',
  'cli',
];

/** Imports between files, `from` and `to` as paths below the folder: static, dynamic and of types alike. */
export function importsOf(folder) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll(sep, '/'))
    .filter((name) => name.endsWith('.ts'))
    .sort();
  return files.flatMap((from) => {
    const text = readFileSync(join(folder, from), 'utf8');
    const specifiers = [...text.matchAll(/(?:\bfrom|\bimport\(|\bimport|\bmodule)\s*'(\.[^']+)\.js'/g)];
    return specifiers.map(([, path]) => ({ from, to: `${posix.join(posix.dirname(from), path)}.ts` }));
  });
}

const roomOf = (file) => file.split('/')[0].replace(/\.ts$/, '');

/** What is wrong with the imports below a folder, one sentence each. */
export function violations(folder) {
  const found = [];
  for (const { from, to } of importsOf(folder)) {
    const [here, there] = [from, to].map((file) => PIPELINE.indexOf(roomOf(file)));
    if (here < 0) found.push(`lib/${from} is in no folder of the pipeline`);
    else if (there > here) found.push(`lib/${from} imports lib/${to}, which comes later`);
  }
  return found;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const lib = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'lib');
  const found = violations(lib);
  for (const sentence of found) console.error(sentence);
  const edges = new Map();
  for (const { from, to } of importsOf(lib)) {
    const [here, there] = [roomOf(from), roomOf(to)];
    if (here !== there) edges.set(here, (edges.get(here) ?? new Set()).add(there));
  }
  if (process.argv.includes('--print')) {
    for (const room of PIPELINE) {
      const needs = [...(edges.get(room) ?? [])].sort((a, b) => PIPELINE.indexOf(a) - PIPELINE.indexOf(b));
      console.log(`${room.padEnd(12)} ${needs.join(' ')}`);
    }
  }
  const arrows = [...edges.values()].reduce((sum, { size }) => sum + size, 0);
  console.log(`${edges.size} folders with ${arrows} arrows between them, ${found.length} imports upward`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
