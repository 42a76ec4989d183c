/** The meta-gradients of models.ts, beside those of another build or of an earlier result file (`--against`). */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MODEL_CASES } from './models.js';
import type { ModelCase } from './models.js';
import { median } from './statistics.js';
import type { ModelsRequest, ModelsResult } from './trials/models.js';
import { runProcess } from './trials.js';

/** Of one thread: a call after the other. Medians over the rounds. */
export interface ModelRow {
  case: string;
  tasksPerCpuSecond: number;
  /** By the fastest call of all rounds. */
  tasksPerSecond: number;
  /** Of what this is compared with: the same, from the same processes or from its file. */
  against?: { tasksPerCpuSecond: number; tasksPerSecond?: number };
  /** By round: what this takes of the processor over what the other takes, inverted; above 1 is faster. */
  ratios: number[];
}

export type Against = { root: string } | { rows: ModelRow[]; name: string };

/** @param path a built checkout, or a result file of this benchmark @throws {Error} where it is neither */
export function readAgainst(path: string): Against {
  const full = resolve(path);
  if (!existsSync(full)) throw new Error(`--against: there is no ${path}`);
  if (statSync(full).isDirectory()) {
    if (!existsSync(join(full, 'dist', 'lib', 'index.js')) || !existsSync(join(full, 'build', 'Release')))
      throw new Error(`--against: ${path} is no checkout that is built (npm run build, npm run setup)`);
    return { root: full };
  }
  const { measured } = JSON.parse(readFileSync(full, 'utf8')) as { measured?: { models?: ModelRow[] } };
  if (measured?.models === undefined) throw new Error(`--against: ${path} holds no measurement "models"`);
  return { rows: measured.models, name: path };
}

interface Context {
  rounds: number;
  seconds: number;
  root: string;
  compiled: string;
  against: Against | undefined;
  say: (text: string) => void;
  note: (text: string) => void;
}

/** Prints a line a case as it is done. */
export async function timeModels({
  rounds,
  seconds,
  root,
  compiled,
  against,
  say,
  note,
}: Context): Promise<ModelRow[]> {
  const roots = against !== undefined && 'root' in against ? [root, against.root] : [root];
  say('meta-gradient, second order, one thread, by case: tasks a second of processor time');
  const rows: ModelRow[] = [];
  for (const c of MODEL_CASES) {
    const results: ModelsResult[] = [];
    for (let round = 0; round < rounds; round++) {
      note(`models ${c.name} ${round + 1}/${rounds}`);
      const request: ModelsRequest = { case: c.name, roots, threads: 1, seconds };
      const command = [process.execPath, join(compiled, 'trials', 'models.js')];
      const { lines, failure } = await runProcess(command, request, {});
      if (lines.length === 0) throw new Error(`models ${c.name} failed: ${failure ?? 'printed nothing'}`);
      results.push(lines[0] as ModelsResult);
    }
    const row = rowOf(c, results, against);
    rows.push(row);
    note('');
    say(renderRow(c, row));
  }
  return rows;
}

function rowOf({ name, tasks }: ModelCase, results: ModelsResult[], against: Against | undefined): ModelRow {
  const of = (i: number) => ({
    tasksPerCpuSecond: tasks / median(results.map(({ times }) => times[i].cpu)),
    tasksPerSecond: tasks / Math.min(...results.map(({ times }) => times[i].best)),
  });
  const row: ModelRow = { case: name, ...of(0), ratios: [] };
  if (against === undefined) return row;
  if ('root' in against)
    return { ...row, against: of(1), ratios: results.map(({ times: [mine, other] }) => other.cpu / mine.cpu) };
  const earlier = against.rows.find((other) => other.case === name);
  if (earlier === undefined) return row;
  const { tasksPerCpuSecond, tasksPerSecond } = earlier;
  return {
    ...row,
    against: { tasksPerCpuSecond, tasksPerSecond },
    ratios: results.map(({ times: [mine] }) => tasks / mine.cpu / tasksPerCpuSecond),
  };
}

const count = (x: number) => Math.round(x).toLocaleString('en-US').padStart(9);

function renderRow({ name, what }: ModelCase, { tasksPerCpuSecond, against, ratios }: ModelRow): string {
  const before =
    against === undefined ? '' : `  before ${count(against.tasksPerCpuSecond)}  ${median(ratios).toFixed(2)}×`;
  return `  ${name.padEnd(9)} ${count(tasksPerCpuSecond)}${before}  ${what}`;
}

/** A sentence to quote, where something was compared. */
export function quoteModels(rows: readonly ModelRow[]): string | undefined {
  const ratios = rows.filter(({ ratios }) => ratios.length > 0).map((row) => ({ ...row, ratio: median(row.ratios) }));
  if (ratios.length === 0) return undefined;
  const sorted = [...ratios].sort((a, b) => a.ratio - b.ratio);
  const mean = Math.exp(ratios.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / ratios.length);
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  return (
    `By processor time, this build takes the meta-gradient of ${ratios.length} models and learners ${mean.toFixed(2)} times as fast as ` +
    `the other (geometric mean; from ${least.ratio.toFixed(2)}, ${least.case}, to ${most.ratio.toFixed(2)}, ${most.case}).`
  );
}
