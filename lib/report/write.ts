/** Writes the report of a run as an HTML page, and its figures as SVG files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { standalone } from '../charts/standalone.js';
import { checkString } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { REPORT_OPTIONS } from './options.js';
import type { ReportOptions } from './option-types.js';
import { renderReport } from './page.js';
import { readRun } from './read.js';
import { slug } from './words.js';

export type { ReportOptions };

/** What `writeReport` wrote. */
export interface ReportFiles {
  /** The page. */
  html: string;
  /** The SVG files, one for each chart in the order of the page. */
  figures: string[];
}

/**
 * Writes a report of a run: its results beside baselines with intervals, by group and beyond accuracy where they were measured,
 * learning curves, results of scenarios (JSON files with `tables` and `charts` in the folder or in its `scenarios`), and the
 * configuration. It writes one HTML file, which loads nothing and runs no script, for screens of any width, and its charts as SVG
 * files. The report of an unfinished run shows what exists so far.
 *
 * ```ts
 * const { html, figures } = await writeReport('runs/demo', 'demo.html');
 * ```
 *
 * @param folder what `innerloop train` wrote; @param out the HTML file
 * @throws {InnerloopError} MISSING_FILE, INVALID_DATA naming the file, IO, INVALID_OPTION, UNKNOWN_OPTION
 */
export async function writeReport(folder: string, out: string, options: ReportOptions = {}): Promise<ReportFiles> {
  checkString(folder, 'folder');
  checkString(out, 'out');
  const given = resolveOptions(options, 'report', REPORT_OPTIONS);
  const page = resolve(out);
  const { figures: place = join(dirname(page), `${basename(page, extname(page))}-figures`) } = given;
  const { html, figures } = renderReport(await readRun(folder));
  await attempt(page, () => writeFile(page, html));
  if (figures.length > 0) await attempt(place, () => mkdir(place, { recursive: true }));
  const names = new Set<string>();
  const files: string[] = [];
  for (const { name, drawing } of figures) {
    let unique = slug(name);
    for (let n = 2; names.has(unique); n++) unique = `${slug(name)}-${n}`;
    names.add(unique);
    const file = join(resolve(place), `${unique}.svg`);
    await attempt(file, () => writeFile(file, standalone(drawing)));
    files.push(file);
  }
  return { html: page, figures: files };
}

async function attempt<R>(path: string, action: () => Promise<R>): Promise<R> {
  try {
    return await action();
  } catch (cause) {
    throw new InnerloopError('IO', (cause as Error).message, {
      field: path,
      expected: 'a place that can be written to',
      cause,
    });
  }
}
