import { columnBlocks, escapeMarkdown, LINE, wrap } from '../foundation/text.js';
import { checkArray, invalid } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import { RENDER_OPTIONS } from './analysis-options.js';
import type { RenderOptions } from './analysis-option-types.js';
import type { Interval } from './intervals.js';
import { parseListMetric } from './list-metrics.js';
import type { Better } from './metric.js';
import { parseMetric } from './metrics.js';
import { isListMetric } from './names.js';

/** Mean and half the width of its interval; `half` is null with fewer than two tasks. */
export interface TableCell {
  mean: number;
  half: number | null;
  tasks: number;
}
export interface TableColumn {
  metric: string;
  better: Better;
}
/** Methods by metrics as plain JSON, without NaN and typed arrays; the cell of a metric that a method does not have is null. */
export interface ResultTable {
  /** The table's title. */
  title: string;
  /** The columns, in order. */
  columns: TableColumn[];
  /** `cells[c]` belongs to `columns[c]`. */
  rows: { method: string; cells: (TableCell | null)[] }[];
  /** Notes on how to read it, each a sentence: among what held-out items were ranked, and columns that cannot tell methods apart. */
  notes?: string[];
}
export interface MethodResult {
  method: string;
  /** Results by metric, as `evaluateScores` returns them; metrics that are meaningless for the method are left out. */
  metrics: Record<string, Interval & { better?: 'lower' | 'higher' }>;
}

/** Collects results into one table; columns are the metrics in order of first appearance. */
export function resultTable(results: readonly MethodResult[], title = ''): ResultTable {
  checkArray(results, 'results', 'methods with their metrics');
  for (const [k, result] of results.entries()) checkResult(result, `results[${k}]`);
  if (typeof title !== 'string') throw invalid('title', 'not a text', title, 'a string');
  const names = [...new Set(results.flatMap(({ metrics }) => Object.keys(metrics)))];
  const columns = names.map((metric) => {
    const own = results.find(({ metrics }) => metrics[metric]?.better !== undefined)?.metrics[metric].better;
    return { metric, better: own ?? betterOf(metric) };
  });
  const rows = results.map(({ method, metrics }) => ({ method, cells: names.map((name) => cellOf(metrics[name])) }));
  return { title, columns, rows };
}

function checkResult(result: unknown, field: string): void {
  const { method, metrics } = (result ?? {}) as Partial<MethodResult>;
  if (typeof method !== 'string') throw invalid(`${field}.method`, 'not a name', method, 'a string');
  if (typeof metrics !== 'object' || metrics === null)
    throw invalid(`${field}.metrics`, 'not results by metric', metrics, 'what evaluateScores returned');
  for (const [name, one] of Object.entries(metrics) as [string, Partial<Interval> | null][])
    if (typeof one?.mean !== 'number' || typeof one.low !== 'number' || typeof one.high !== 'number')
      throw invalid(`${field}.metrics.${name}`, 'not a result', one, 'a mean with its interval');
}

function checkTable(table: unknown): asserts table is ResultTable {
  const { title, columns, rows } = (table ?? {}) as Partial<ResultTable>;
  const isTable =
    typeof title === 'string' &&
    Array.isArray(columns) &&
    columns.every((column: unknown) => typeof (column as TableColumn | null)?.metric === 'string') &&
    Array.isArray(rows) &&
    rows.every((row: unknown) => {
      const { method, cells } = (row ?? {}) as Partial<ResultTable['rows'][number]>;
      return typeof method === 'string' && Array.isArray(cells) && cells.length === columns.length;
    });
  if (!isTable) throw invalid('table', 'not a table', table, 'what resultTable or evaluate returned');
}

const betterOf = (metric: string) => (isListMetric(metric) ? parseListMetric : parseMetric)(metric).better;

function cellOf(result: Interval | undefined): TableCell | null {
  if (result === undefined || !Number.isFinite(result.mean)) return null;
  const half = (result.high - result.low) / 2;
  return { mean: result.mean, half: Number.isFinite(half) ? half : null, tasks: result.tasks };
}

/** Renders the table as aligned text, with `*` after the best mean of each column; means that are equal as printed all get one. */
export function renderText(table: ResultTable, options: RenderOptions = {}): string {
  const lines = layout(table, options, (text, best) => text + (best ? ' *' : '  '));
  const widths = columnWidths(lines);
  const blocks = columnBlocks(widths).map((columns) => {
    const body = lines.map((line) =>
      columns
        .map((c) => pad(line[c], widths[c], c > 0))
        .join('  ')
        .trimEnd(),
    );
    return [body[0], columns.map((c) => '-'.repeat(widths[c])).join('  '), ...body.slice(1), ''];
  });
  const best = directions(table);
  const note = `mean ± half the 95 % interval over tasks${best === '' ? '' : `; * best of the column (${best})`}`;
  const notes = [note, ...(table.notes ?? [])].flatMap((text) => wrap(text, LINE));
  return [...(table.title === '' ? [] : [table.title, '']), ...blocks.flat(), ...notes].join('\n') + '\n';
}

/** Renders the table in GitHub's Markdown, with the best means in bold. */
export function renderMarkdown(table: ResultTable, options: RenderOptions = {}): string {
  const lines = layout(table, options, (text, best) => (best ? `**${text}**` : text)).map((line) =>
    line.map(escapeMarkdown),
  );
  const widths = columnWidths(lines).map((width) => Math.max(width, 4));
  const body = lines.map((line) => `| ${line.map((text, c) => pad(text, widths[c], c > 0)).join(' | ')} |`);
  const rule = widths.map((width, c) => (c > 0 ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  body.splice(1, 0, `| ${rule.join(' | ')} |`);
  const title = table.title === '' ? [] : [`**${escapeMarkdown(table.title)}**`, ''];
  return (
    [
      ...title,
      ...body,
      '',
      `Mean ± half the 95 % interval over tasks${directions(table) === '' ? '' : ` (${directions(table)})`}.`,
      ...(table.notes ?? []).flatMap((text) => ['', escapeMarkdown(text)]),
    ].join('\n') + '\n'
  );
}

function layout(table: ResultTable, options: RenderOptions, mark: (text: string, best: boolean) => string): string[][] {
  checkTable(table);
  const { digits } = resolveOptions(options, 'options', RENDER_OPTIONS);
  const best = table.columns.map(({ better }, c) => {
    const means = table.rows.flatMap(({ cells }) => cells[c]?.mean ?? []);
    if (means.length === 0 || better === 'neither') return undefined;
    return (better === 'lower' ? Math.min(...means) : Math.max(...means)).toFixed(digits);
  });
  const header = ['method', ...table.columns.map(({ metric }) => mark(metric, false))];
  const rows = table.rows.map(({ method, cells }) => [
    method,
    ...cells.map((cell, c) => {
      if (cell === null) return mark('-', false);
      const mean = cell.mean.toFixed(digits);
      return mark(cell.half === null ? mean : `${mean} ± ${cell.half.toFixed(digits)}`, mean === best[c]);
    }),
  ]);
  return [header, ...rows];
}

function directions({ columns }: ResultTable): string {
  const named = (['lower', 'higher'] as const).map((direction) => {
    const names = columns.filter(({ better }) => better === direction).map(({ metric }) => metric);
    return names.length === 0 ? '' : `${direction} is better: ${names.join(', ')}`;
  });
  return named.filter((text) => text !== '').join('; ');
}

// Length is counted in code points instead of UTF-16 units, so that characters beyond the basic plane count once.
const length = (text: string) => [...text].length;
const columnWidths = (lines: string[][]) => lines[0].map((_, c) => Math.max(...lines.map((line) => length(line[c]))));

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(width - length(text));
  return right ? space + text : text + space;
}
