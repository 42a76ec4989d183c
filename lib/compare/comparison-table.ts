/** A comparison for people: one table of accuracy and costs, and the differences to the first method. */
import { columnBlocks, escapeMarkdown, LINE, wrap } from '../foundation/text.js';
import { invalid } from '../foundation/check.js';
import type { RunTable, RunTableCell, RunTableRow } from './runs.js';

const DIGITS = 4;

function checkRunTable(table: unknown): asserts table is RunTable {
  const { reference, columns, methods } = (table ?? {}) as Partial<RunTable>;
  const isTable =
    typeof reference === 'string' &&
    Array.isArray(columns) &&
    Array.isArray(methods) &&
    methods.every((row: unknown) => {
      const { cells, differences: own, failures, seeds, surviving } = (row ?? {}) as Partial<RunTableRow>;
      return [cells, own, failures, seeds, surviving].every(Array.isArray);
    });
  if (!isTable) throw invalid('table', 'not a comparison', table, 'what compareRuns returned');
}

/** Plain text, columns aligned, `*` after the best mean of each column. */
export function renderComparison(table: RunTable): string {
  checkRunTable(table);
  const blocks = [grid(table), differences(table)]
    .filter(({ rows }) => rows.length > 0)
    .map((block) => {
      const widths = widthsOf(block);
      const parts = columnBlocks(widths).map((columns, part) => {
        const line = (cells: readonly string[]) =>
          columns
            .map((c) => pad(cells[c], widths[c], c > 0))
            .join('  ')
            .trimEnd();
        // Why a method failed is said once.
        const rows = block.rows.flatMap(({ name, cells, note }) =>
          cells === undefined ? (part === 0 ? failedRow(name, note, widths[0]) : []) : line([name, ...cells]),
        );
        return [line(block.header), columns.map((c) => '-'.repeat(widths[c])).join('  '), ...rows].join('\n');
      });
      return parts.join('\n\n');
    });
  const sentences = notes(table).flatMap((text) => wrap(text, LINE));
  return `${[...blocks, sentences.join('\n')].join('\n\n')}\n`;
}

function failedRow(name: string, note: string, width: number): string[] {
  const [first, ...more] = wrap(note, Math.max(40, LINE - width - 2));
  return [`${pad(name, width, false)}  ${first}`, ...more.map((text) => `${' '.repeat(width)}  ${text}`)];
}

/** The same as GitHub tables, the best in bold. */
export function renderComparisonMarkdown(table: RunTable): string {
  checkRunTable(table);
  const blocks = [grid(table), differences(table)]
    .filter(({ rows }) => rows.length > 0)
    .map(({ header, rows }) => {
      const line = (cells: readonly string[]) =>
        `| ${cells.map((text) => escapeMarkdown(text.trim()).replace(/^(.*\S) \*$/, '**$1**')).join(' | ')} |`;
      const body = rows.map(({ name, cells, note }) =>
        line([name, ...(cells ?? [note, ...header.slice(2).map(() => '')])]),
      );
      return [
        line(header),
        `| --- |${header
          .slice(1)
          .map(() => ' ---: |')
          .join('')}`,
        ...body,
      ].join('\n');
    });
  return `${[...blocks, notes(table).join('  \n')].join('\n\n')}\n`;
}

interface Block {
  header: string[];
  /** A row without cells has a note in their place. */
  rows: { name: string; cells?: string[]; note: string }[];
}

function grid({ columns, methods, validationMetric }: RunTable): Block {
  const best = columns.map(({ better }, c) =>
    bestOf(
      methods.map(({ cells }) => cells[c]?.mean),
      better,
    ),
  );
  const costs: [string, (method: RunTableRow) => string][] = [
    ...(validationMetric === null
      ? []
      : [
          [`validation ${validationMetric}`, ({ validation }) => number(validation, DIGITS)] as [
            string,
            (method: RunTableRow) => string,
          ],
        ]),
    ['train, s', ({ trainSeconds }) => number(trainSeconds, 2)],
    ['peak, MB', ({ peakBytes }) => number(peakBytes === null ? null : peakBytes / 1e6, 0)],
    ['adapt, µs', ({ adaptMicroseconds }) => number(adaptMicroseconds, 0)],
    ['parameters', ({ parameters }) => parameters?.toLocaleString('en-US') ?? '-'],
  ];
  return {
    header: ['method', ...titles(columns).map((title) => `${title}  `), ...costs.map(([title]) => title)],
    rows: methods.map((method) => {
      const cells = method.cells.map((cell, c) =>
        cell === null ? '-  ' : `${plusMinus(cell)}${cell.mean.toFixed(DIGITS) === best[c] ? ' *' : '  '}`,
      );
      const rest = method.surviving
        .flatMap((mean, c) => (mean === null ? [] : [`${titles(columns)[c]} ${mean.toFixed(DIGITS)}`]))
        .slice(0, 1);
      return {
        name: `${method.method}${method.atChance === true ? ' (at chance)' : ''}`,
        cells: method.failures.length > 0 ? undefined : [...cells, ...costs.map(([, show]) => show(method))],
        note: `failed: ${method.failures.join('; ')}${rest.length === 0 ? '' : `; its other runs, which are no mean: ${rest[0]}`}`,
      };
    }),
  };
}

function differences({ columns, methods, reference }: RunTable): Block {
  const others = methods.filter((method) => method.differences.some((cell) => cell !== null));
  const named = titles(columns);
  return {
    header: [`minus ${reference}`, ...named],
    rows: others.map(({ method, differences }) => ({ name: method, cells: differences.map(signed), note: '' })),
  };
}

/** The set is named where there are several. */
function titles(columns: RunTable['columns']): string[] {
  const several = new Set(columns.map(({ set }) => set)).size > 1;
  return columns.map(({ set, metric }) => (several ? `${set} ${metric}` : metric));
}

function notes({ columns, methods, reference, chosen, validationMetric, notes: own = [] }: RunTable): string[] {
  const sets = [...new Set(columns.map(({ set }) => set))].map(
    (set) =>
      `${set}: ${Math.max(...methods.flatMap(({ cells }) => cells.map((cell, c) => (columns[c].set === set ? (cell?.tasks ?? 0) : 0))))} tasks`,
  );
  const seeds = [...new Set(methods.flatMap((method) => method.seeds.filter((seed) => seed !== null)))];
  const spread = Math.max(
    ...methods.flatMap(({ seedDeviations }) => (seedDeviations[0] === null ? [] : seedDeviations[0])),
    -1,
  );
  const splits = Math.max(...methods.flatMap(({ splitDeviations }) => splitDeviations[0] ?? []), -1);
  const atChance = methods.filter((method) => method.atChance === true).map(({ method }) => method);
  const lower = [...new Set(columns.filter(({ better }) => better === 'lower').map(({ metric }) => metric))];
  return [
    `${sets.join('; ')}. Mean ± half the 95 % bootstrap interval over tasks; * best of the column${lower.length === 0 ? '' : `; lower is better: ${lower.join('; ')}`}.`,
    ...own,
    ...(methods.length < 2
      ? []
      : [
          `Differences to ${reference}, task by task, with their intervals: one that holds 0 is no difference that these tasks show.`,
        ]),
    ...(chosen === null ? [] : [`Best learner by validation ${validationMetric}: ${chosen}.`]),
    ...(seeds.length < 2
      ? []
      : [
          `Means over the seeds ${seeds.join(', ')}; the ${titles(columns)[0]} of one method deviates by at most ${spread.toFixed(DIGITS)} (standard deviation) between them, and the intervals are wider by what that adds.`,
        ]),
    ...(splits < 0
      ? []
      : [
          `Means over the splits too: a task that is tested on several of them counts once; the ${titles(columns)[0]} of one method deviates by at most ${splits.toFixed(DIGITS)} between them.`,
        ]),
    ...(atChance.length === 0
      ? []
      : [`At chance: ${atChance.join(', ')}: no better than one value for every row, as far as these tasks show.`]),
    'Costs: training without validation; the largest resident memory of a process of its own, data included; adapting to one task and scoring its query, one task at a time, at the median.',
  ];
}

function bestOf(means: (number | undefined)[], better: RunTable['columns'][number]['better']): string | undefined {
  const defined = means.filter((mean) => mean !== undefined);
  if (defined.length === 0 || (better !== 'lower' && better !== 'higher')) return undefined;
  return (better === 'lower' ? Math.min(...defined) : Math.max(...defined)).toFixed(DIGITS);
}

const number = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));
const plusMinus = ({ mean, low, high }: RunTableCell) =>
  `${mean.toFixed(DIGITS)}${low === null || high === null ? '' : ` ± ${((high - low) / 2).toFixed(DIGITS)}`}`;

function signed(cell: RunTableCell | null): string {
  if (cell === null) return '-';
  const text = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(DIGITS)}`;
  return `${text(cell.mean)}${cell.low === null || cell.high === null ? '' : ` [${text(cell.low)}, ${text(cell.high)}]`}`;
}

// Code points, not UTF-16 units: ± and accented method names count once.
const length = (text: string) => [...text].length;
const pad = (text: string, width: number, right: boolean) =>
  right ? text.padStart(width + text.length - length(text)) : text.padEnd(width + text.length - length(text));

function widthsOf({ header, rows }: Block): number[] {
  return header.map((title, c) =>
    Math.max(length(title), ...rows.map(({ name, cells }) => length(c === 0 ? name : (cells?.[c - 1] ?? '')))),
  );
}
