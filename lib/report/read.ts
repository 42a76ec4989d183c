/** Reads the files of a run's folder, as far as they exist. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { LineChart } from '../charts/lines.js';
import { InnerloopError } from '../foundation/errors.js';
import type { ResultTable } from '../evaluation/result-table.js';

/** The manifest that `innerloop train` writes; fields that another version did not write are missing. */
export interface Manifest {
  version?: string;
  seed?: number;
  config?: { algorithm?: { name?: string } } & Record<string, unknown>;
  data?: { rows?: number; users?: number; items?: number } & Record<string, unknown>;
  model?: { parameters?: number };
  /** Everything that determines the bytes of the run, in full; the page shows a short form besides. */
  run?: unknown;
  best?: { epoch?: number; value?: number | null; metric?: string };
  isa?: string | string[];
  threads?: number;
  node?: string;
  platform?: string;
  seconds?: Record<string, number>;
}
/** A line of metrics.jsonl. */
export interface EpochLine {
  phase: string;
  epoch: number;
  loss?: number;
  gradientNorm?: number;
  validation?: number;
  best?: boolean;
}
/** A mean with its interval; null stands for NaN, which JSON does not have. */
export interface StoredInterval {
  mean: number | null;
  low: number | null;
  high: number | null;
  tasks: number;
}
/** The values of one metric of one method; fields that an older version did not write are not shown. */
export interface StoredMetric extends StoredInterval {
  /** Quantiles of the tasks' values at the shares `QUANTILES`; empty if no task has a value. */
  quantiles?: (number | null)[];
  /** The mean of the method minus the learner over tasks, with the p-value of Wilcoxon's test, Holm-corrected over the methods. */
  difference?: StoredInterval & { p: number | null };
}
export const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/** The learner's name, from the name of its row before or after adaptation. */
export const learnerOf = (method: string) => method.replace(/, not adapted.*$/, '');

export interface StoredMethod {
  method: string;
  metrics: Record<string, StoredMetric>;
  groups?: Record<
    string,
    {
      groups: (StoredInterval & { group: string })[];
      gap?: StoredInterval & { highest: string; lowest: string; p: number };
    }
  >;
  reliability?: { bins: { rows: number; predicted: number; observed: number }[]; ece: number; brier: number };
}
export interface StoredSet {
  set: string;
  methods: StoredMethod[];
}
/** Any other file of the folder with tables and charts: a scenario's results. */
export interface StoredScenario {
  name: string;
  tables: ResultTable[];
  charts: LineChart[];
  notes?: string[];
}
export interface RunFolder {
  name: string;
  manifest: Manifest | undefined;
  epochs: EpochLine[];
  sets: StoredSet[];
  scenarios: StoredScenario[];
}

/** Reads a run's folder. @throws {InnerloopError} MISSING_FILE if it has none of the files, INVALID_DATA naming the file, IO */
export async function readRun(folder: string): Promise<RunFolder> {
  const path = resolve(folder);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder)
    throw new InnerloopError('MISSING_FILE', 'no such folder', {
      field: folder,
      expected: 'the folder of a training run, such as runs/demo',
    });
  const manifest = await readJson<Manifest>(join(path, 'manifest.json'), (value) => isObject(value));
  const evaluation = await readJson<{ sets: StoredSet[] }>(
    join(path, 'evaluation.json'),
    (value) => isObject(value) && isSets(value['sets']),
  );
  const run: RunFolder = {
    name: basename(path),
    manifest,
    epochs: await readEpochs(join(path, 'metrics.jsonl')),
    sets: evaluation?.sets ?? [],
    scenarios: [...(await readScenarios(path)), ...(await readScenarios(join(path, 'scenarios')))],
  };
  if (manifest === undefined && run.epochs.length === 0 && run.sets.length === 0 && run.scenarios.length === 0) {
    throw new InnerloopError('MISSING_FILE', 'not the folder of a run', {
      field: folder,
      expected: 'manifest.json, metrics.jsonl, evaluation.json or results of a scenario',
    });
  }
  return run;
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
    throw new InnerloopError('IO', cause.message, { field: path, expected: 'a file that can be read', cause });
  });
}

async function readJson<T>(path: string, fits: (value: unknown) => boolean): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const value = parse(text, path);
  if (!fits(value))
    throw new InnerloopError('INVALID_DATA', 'not what innerloop train writes', {
      field: path,
      expected: 'a file of this package',
    });
  return value as T;
}

function parse(text: string, field: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new InnerloopError('INVALID_DATA', (cause as Error).message, { field, expected: 'JSON', cause });
  }
}

async function readEpochs(path: string): Promise<EpochLine[]> {
  const lines = ((await readText(path)) ?? '').split('\n');
  // A run that was killed may have left an incomplete last line.
  return lines
    .slice(0, -1)
    .filter((text) => text !== '')
    .map((text, i) => {
      const line = parse(text, `${path}:${i + 1}`);
      if (!isObject(line) || typeof line['epoch'] !== 'number')
        throw new InnerloopError('INVALID_DATA', 'no epoch', {
          field: `${path}:${i + 1}`,
          expected: 'a line of innerloop train',
        });
      return { phase: 'train', ...line } as EpochLine;
    });
}

async function readScenarios(folder: string): Promise<StoredScenario[]> {
  const names = (await readdir(folder).catch(() => [] as string[])).filter((name) => name.endsWith('.json')).sort();
  const values = await Promise.all(
    names.map(async (name) => ({
      name,
      value: parse((await readText(join(folder, name))) ?? 'null', join(folder, name)),
    })),
  );
  return values.flatMap(({ name, value }) =>
    isScenario(value) ? [{ ...value, name: value.name ?? basename(name, '.json') }] : [],
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isMethod = (value: unknown) =>
  isObject(value) &&
  typeof value['method'] === 'string' &&
  isObject(value['metrics']) &&
  Object.values(value['metrics']).every(isObject);
const isSets = (value: unknown) =>
  Array.isArray(value) &&
  value.every(
    (one: unknown) =>
      isObject(one) &&
      typeof one['set'] === 'string' &&
      Array.isArray(one['methods']) &&
      one['methods'].every(isMethod),
  );
const isTable = (value: unknown) =>
  isObject(value) &&
  Array.isArray(value['columns']) &&
  Array.isArray(value['rows']) &&
  value['rows'].every((row: unknown) => isObject(row) && Array.isArray(row['cells']));
const isChart = (value: unknown) =>
  isObject(value) &&
  Array.isArray(value['series']) &&
  value['series'].every((one: unknown) => isObject(one) && Array.isArray(one['x']) && Array.isArray(one['y']));

function isScenario(value: unknown): value is StoredScenario {
  return (
    isObject(value) &&
    Array.isArray(value['tables']) &&
    Array.isArray(value['charts']) &&
    value['tables'].every(isTable) &&
    value['charts'].every(isChart)
  );
}
