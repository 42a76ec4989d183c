/** The tables of pages from the result files of `npm run bench`: see tables.mjs. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const COMPILED = join(root, 'dist', 'bench', 'models.js');

const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'));
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const geometricMean = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
const count = (value) => Math.round(value).toLocaleString('en');
/** Two digits: that is about what repeats. */
const ratio = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

/** Meta-gradients of models beside the build before and PyTorch, by processor time. */
export async function modelsOf(page, file) {
  if (!existsSync(COMPILED))
    throw new Error(`${page}: the cases of ${file} are described by dist/bench/models.js: npm run build`);
  const { MODEL_CASES } = await import(COMPILED);
  const { machine, commit, when, measured } = read(file);
  const rows = measured.models.map((row) => {
    const { what } = MODEL_CASES.find(({ name }) => name === row.case);
    const peer = row.peer === undefined ? ['–', '–'] : [ratio(row.peer.byCpu), ratio(row.peer.byFastest)];
    return `| ${what} (\`${row.case}\`) | ${count(row.tasksPerCpuSecond)} | ${median(row.ratios).toFixed(2)} | ${peer.join(' | ')} |`;
  });
  const peers = measured.models.flatMap(({ peer }) => peer ?? []);
  const before = measured.models.map(({ ratios }) => median(ratios));
  const link = relative(dirname(join(root, page)), join(root, file)).replaceAll('\\', '/');
  return [
    '| case | tasks a processor second | times the build before | times PyTorch, by processor time | by the fastest call |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
    `Geometric means: ${geometricMean(before).toFixed(2)} times the build before, ${ratio(geometricMean(peers.map(({ byCpu }) => byCpu)))} times PyTorch by processor time (${peers.length} cases). Second order, one thread; ${peers[0].version}, batched by hand, the best of one thread, two, and two over a one-thread BLAS.`,
    `${machine.cpu}, ${machine.threads} threads, ${machine.isas[0]}, Node.js ${machine.node}; load ${machine.load} before. [\`${file}\`](${link}): \`npm run bench -- --only models --against ../before\` at ${commit}, ${when.slice(0, 10)}.`,
  ].join('\n');
}

/** The sentence on speed: the least, the most and the mean of the ratios to PyTorch. */
export function speedOf(file) {
  const peers = read(file).measured.models.flatMap(({ peer }) => peer ?? []);
  const ratios = peers.map(({ byCpu }) => byCpu);
  return `${ratio(Math.min(...ratios))} to ${ratio(Math.max(...ratios))} times as many meta-gradients a processor second as ${peers[0].version.replace('torch', 'PyTorch').replace(/a0$/, '')} in its best form (${ratio(geometricMean(ratios))} in the geometric mean of ${ratios.length} models)`;
}
