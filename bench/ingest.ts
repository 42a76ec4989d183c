/**
 * What opening interactions costs: processor seconds and peak memory of `openDataset` on generated rows, from CSV and from Parquet,
 * each in a process of its own; with `--old`, in turns with another built checkout. `npm run setup`, then
 *
 *     node dist/bench/ingest.js [--rows 20e6] [--old ../before] [--rounds 1] [--formats csv,parquet]
 *
 * The last lines are the ratios of processor seconds, new to old; any above 1.2 is exit code 1.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { packageRoot } from '../lib/foundation/addon.js';
import { InnerloopError } from '../lib/foundation/errors.js';
import { FORMATS, generateInteractions } from './generate-interactions.js';

const LIMIT = 1.2;

interface Cost {
  size: number;
  seconds: number;
  gigabytes: number;
}

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '20e6' },
    old: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    formats: { type: 'string', default: FORMATS.join(',') },
    open: { type: 'string' },
    library: { type: 'string' },
  },
});

if (values.open !== undefined) await open(values.open, values.library!);
else await compare();

/** In a process of its own: opens the file with a library, and prints what it took. */
async function open(path: string, library: string): Promise<void> {
  const { openDataset } = (await import(pathToFileURL(library).href)) as typeof import('../lib/index.js');
  const before = process.cpuUsage();
  const { size } = await openDataset({
    interactions: { from: path, user: 'user', item: 'item', label: 'rating', time: 'time' },
    duplicates: 'last',
  });
  const { user, system } = process.cpuUsage(before);
  const { maxRSS } = process.resourceUsage();
  console.log(JSON.stringify({ size, seconds: (user + system) / 1e6, gigabytes: maxRSS / 2 ** 20 } satisfies Cost));
}

async function compare(): Promise<void> {
  const rows = Number(values.rows);
  const rounds = Number(values.rounds);
  if (!(Number.isSafeInteger(rows) && rows > 0 && Number.isSafeInteger(rounds) && rounds > 0))
    throw new InnerloopError('INVALID_OPTION', 'not whole numbers above 0', { field: '--rows, --rounds' });
  const formats = FORMATS.filter((format) => values.formats.split(',').includes(format));
  const libraries = [['new', packageRoot()], ...(values.old === undefined ? [] : [['old', resolve(values.old)]])].map(
    ([name, root]) => ({ name, library: join(root, 'dist', 'lib', 'index.js') }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-ingest-'));
  const costs = new Map<string, Cost[]>();
  try {
    for (const format of formats) {
      const path = join(folder, `rows.${format}`);
      await generateInteractions(rows, path, format);
      console.log(`${format}: ${rows} rows, ${(statSync(path).size / 2 ** 20).toFixed(0)} MiB`);
      for (let round = 0; round < rounds; round++)
        // The order turns, so that what the machine does meanwhile falls on both.
        for (const { name, library } of round % 2 === 0 ? libraries : [...libraries].reverse()) {
          const out = execFileSync(process.execPath, [process.argv[1], '--open', path, '--library', library], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'inherit'],
          });
          const cost = JSON.parse(out) as Cost;
          costs.set(`${format} ${name}`, [...(costs.get(`${format} ${name}`) ?? []), cost]);
          console.log(
            `  ${name}: ${cost.size} interactions, ${cost.seconds.toFixed(2)} CPU s, ${cost.gigabytes.toFixed(2)} GiB at the peak`,
          );
        }
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (values.old === undefined) return;
  for (const format of formats) {
    const least = (name: string): Cost =>
      costs.get(`${format} ${name}`)!.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    const [before, after] = [least('old'), least('new')];
    const ratio = after.seconds / before.seconds;
    if (before.size !== after.size) console.log(`${format}: ${before.size} interactions before, ${after.size} now`);
    console.log(
      `${format}: ${ratio.toFixed(3)} of the CPU seconds, ${(after.gigabytes / before.gigabytes).toFixed(3)} of the memory`,
    );
    if (ratio > LIMIT) process.exitCode = 1;
  }
}
