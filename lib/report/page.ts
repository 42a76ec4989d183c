/** Renders the report as one self-contained HTML file, with styles and charts inside and without scripts. */
import { duration } from '../charts/format.js';
import { drawLines } from '../charts/lines.js';
import { STYLE } from '../charts/style.js';
import { escape, figure } from '../charts/svg.js';
import { resultTable } from '../evaluation/result-table.js';
import type { ResultTable } from '../evaluation/result-table.js';
import { distributionFigure, groupFigures, learningFigures, reliabilityFigure, resultFigures } from './figures.js';
import type { Figure } from './figures.js';
import { learnerOf } from './read.js';
import type { RunFolder, StoredInterval, StoredMethod, StoredScenario, StoredSet } from './read.js';
import { capital, slug, whole, words } from './words.js';

/** A page and the figures on it. */
export interface Report {
  html: string;
  figures: Figure[];
}

export function renderReport(run: RunFolder): Report {
  const figures: Figure[] = [];
  const draw = (drawn: readonly Figure[]) => {
    figures.push(...drawn);
    return drawn.length === 0
      ? ''
      : `<div class="charts">${drawn.map(({ drawing }) => figure(drawing)).join('')}</div>`;
  };
  const own = ownMethod(run);
  const sets = run.sets.map((set) => ({ ...set, methods: ordered(set, own) }));
  const title = titleOf(run, own);
  const body = [
    `<h1>${escape(title)}</h1>`,
    introduction(run),
    run.sets.length === 0 && run.scenarios.length === 0
      ? '<p class="warn">The run has no results yet: it is at work, or was interrupted.</p>'
      : '',
    cards({ ...run, sets }, own),
    ...sets.map((set) => results(set, own, draw)),
    learning(run, draw),
    ...run.scenarios.map((scenario) => scenarioSection(scenario, draw)),
    reading(run),
    configuration(run),
  ];
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escape(title)}: innerloop report</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body.filter((part) => part !== '').join('\n')}
</main>
</body>
</html>
`;
  return { html, figures };
}

/** The name of the run's learner in the results, which is that of its algorithm. */
function ownMethod({ manifest, sets }: RunFolder): string | undefined {
  const first = sets[0]?.methods[0]?.method;
  return first === undefined ? manifest?.config?.algorithm?.name : learnerOf(first);
}

/** The title: the learner, and the data that it was trained on. */
function titleOf({ name, manifest }: RunFolder, own: string | undefined): string {
  if (own === undefined) return name;
  const { users, items } = manifest?.data ?? {};
  return users === undefined || items === undefined
    ? `${capital(own)}: ${name}`
    : `${capital(own)} on ${whole(users)} users and ${whole(items)} items: ${name}`;
}

/** The methods in order: the learner, adapted and not, then the others by the first metric, the best first and those without it last. */
function ordered({ set, methods }: StoredSet, own: string | undefined): StoredMethod[] {
  const [column] = tableOf({ set, methods }).columns;
  const sign = column?.better === 'higher' ? -1 : 1;
  const place = ({ method, metrics }: StoredMethod): [group: number, value: number] => {
    if (method === own) return [0, 0];
    if (own !== undefined && method.startsWith(`${own},`)) return [1, 0];
    const mean = column?.better === 'neither' ? undefined : metrics[column?.metric ?? '']?.mean;
    return typeof mean === 'number' ? [2, sign * mean] : [3, 0];
  };
  return [...methods].sort((a, b) => {
    const [[group, value], [otherGroup, otherValue]] = [place(a), place(b)];
    return group - otherGroup || value - otherValue;
  });
}

function introduction({ manifest, epochs }: RunFolder): string {
  if (manifest === undefined) return epochs.length === 0 ? '' : `<p>${epochs.length} epochs done; no manifest yet.</p>`;
  const { data, model, best, seconds, seed, config } = manifest;
  const facts = [
    config?.algorithm?.name && `Algorithm ${config.algorithm.name}`,
    data?.rows !== undefined &&
      `${whole(data.rows)} interactions of ${whole(data.users ?? NaN)} users with ${whole(data.items ?? NaN)} items`,
    model?.parameters !== undefined && `${whole(model.parameters)} parameters`,
    best?.epoch !== undefined && `epoch ${best.epoch} kept`,
    seconds?.['train'] !== undefined && `trained in ${duration(seconds['train'])}`,
    seed !== undefined && `seed ${seed}`,
  ].filter((fact) => typeof fact === 'string');
  return facts.length === 0 ? '' : `<p>${escape(facts.join('; '))}.</p>`;
}

const number = (value: number) => (Math.abs(value) >= 1000 ? whole(value) : value.toFixed(3)).replace('-', '−');
const half = ({ low, high }: StoredInterval) => (low === null || high === null ? undefined : (high - low) / 2);

/** A card for each set with the first metric: adapted, not adapted, and the best of the other methods. */
function cards({ sets }: RunFolder, own: string | undefined): string {
  const drawn = sets.flatMap(({ set, methods }) => {
    const metric = Object.keys(methods[0]?.metrics ?? {})[0];
    const [column] = metric === undefined ? [] : tableOf({ set, methods }).columns;
    if (metric === undefined || column === undefined) return [];
    const cell = (method: StoredMethod | undefined, what: string, tone: string) => {
      const result = method?.metrics[metric];
      if (result?.mean === null || result === undefined) return '';
      const margin = half(result);
      return `<div><div class="big ${tone}">${number(result.mean)}</div><div class="what">${escape(what)}${margin === undefined ? '' : ` ± ${number(margin)}`}</div></div>`;
    };
    const named = (name: string) => methods.find(({ method }) => method === name);
    const rivals = methods.filter(
      ({ method, metrics }) =>
        own !== undefined &&
        method !== own &&
        !method.startsWith(`${own},`) &&
        !method.endsWith(', median') &&
        typeof metrics[metric]?.mean === 'number',
    );
    const sign = column.better === 'higher' ? -1 : 1;
    const best =
      column.better === 'neither'
        ? undefined
        : [...rivals].sort((a, b) => sign * (a.metrics[metric].mean! - b.metrics[metric].mean!))[0];
    const cells = [
      cell(named(own ?? ''), own ?? '', 'first-ink'),
      cell(named(`${own ?? ''}, not adapted`), 'not adapted', 'second-ink'),
      cell(best, best?.method ?? '', ''),
    ];
    return [
      `<section class="card"><h3>${escape(capital(words(set)))}: ${escape(metric)}${column.better === 'neither' ? '' : `, ${column.better} is better`}</h3><div class="pair">${cells.join('')}</div></section>`,
    ];
  });
  return drawn.length === 0 ? '' : `<div class="cards">${drawn.join('')}</div>`;
}

/** The stored results as a table; null, which stands for NaN in JSON, becomes NaN again. */
function tableOf({ methods }: StoredSet): ResultTable {
  const numbered = ({ mean, low, high, tasks }: StoredInterval) => ({
    mean: mean ?? NaN,
    low: low ?? NaN,
    high: high ?? NaN,
    tasks,
  });
  return resultTable(
    methods.map(({ method, metrics }) => ({
      method,
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, result]) => [name, numbered(result)])),
    })),
  );
}

type Draw = (figures: readonly Figure[]) => string;

function results(stored: StoredSet, own: string | undefined, draw: Draw): string {
  const { set, methods } = stored;
  const adapted = methods.find(({ method }) => method === own);
  // Charts are drawn in the order of the page, because the figures' files have the same order.
  const charts = `${draw([...resultFigures(stored, own), ...distributionFigure(stored, own)])}${draw(reliabilityFigure(stored))}`;
  const grouped = adapted === undefined ? [] : groupFigures(set, adapted);
  const gaps = Object.entries(adapted?.groups ?? {}).flatMap(([metric, { gap }]) =>
    gap === undefined || gap.mean === null
      ? []
      : [
          `<li>${escape(metric)}: ${escape(gap.highest)} is ${number(gap.mean)} above ${escape(gap.lowest)}${gap.low === null || gap.high === null ? '' : ` (${number(gap.low)} to ${number(gap.high)})`}, p = ${gap.p.toFixed(3)}</li>`,
        ],
  );
  const groups =
    grouped.length === 0 && gaps.length === 0
      ? ''
      : `<h3>Groups of users</h3>${gaps.length === 0 ? '' : `<ul class="soft">${gaps.join('')}</ul>`}${draw(grouped)}`;
  return `<section><h2>Results on ${escape(words(set))}</h2>${tableHtml(tableOf(stored))}${differencesHtml(stored, own)}${charts}${groups}</section>`;
}

/** The table of differences, each method minus the learner; significant ones are bold. */
function differencesHtml({ methods }: StoredSet, own: string | undefined): string {
  const metrics = [...new Set(methods.flatMap((one) => Object.keys(one.metrics)))];
  const columns = metrics.filter((metric) => methods.some((one) => one.metrics[metric]?.difference !== undefined));
  const signed = (value: number) => `${value < 0 ? '' : '+'}${number(value)}`;
  const rows = methods
    .filter(({ metrics: own }) => columns.some((metric) => typeof own[metric]?.difference?.mean === 'number'))
    .map(({ method, metrics: of }) => {
      const cells = columns.map((metric) => {
        const { mean = null, low = null, high = null, p = null } = of[metric]?.difference ?? {};
        if (mean === null) return '<td>–</td>';
        const margin =
          low === null || high === null ? '' : ` <span class="soft range">${signed(low)} to ${signed(high)}</span>`;
        const chance = p === null ? '' : ` title="p = ${p.toFixed(4)} after Holm"`;
        return `<td${p !== null && p < 0.05 ? ' class="best"' : ''}${chance}>${signed(mean)}${margin}</td>`;
      });
      return `<tr><th scope="row">${escape(method)}</th>${cells.join('')}</tr>`;
    });
  if (rows.length === 0) return '';
  const head = columns.map((metric) => `<th scope="col">${escape(metric)}</th>`).join('');
  return `<h3>Minus ${escape(own ?? '')}, user by user</h3><div class="table" tabindex="0"><table><thead><tr><th scope="col" class="word">method</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** A table with the best mean of each column in bold; means that are equal as printed are all bold. */
function tableHtml({ columns, rows, title }: ResultTable): string {
  const best = columns.map(({ better }, c) => {
    const means = rows.flatMap(({ cells }) => cells[c]?.mean ?? []);
    if (means.length === 0 || better === 'neither') return undefined;
    return number(better === 'lower' ? Math.min(...means) : Math.max(...means));
  });
  const arrow = { higher: ' ↑', lower: ' ↓', neither: '' } as const;
  // What the title says of all columns is not repeated in each: `mae by support rows` has columns `0 shots`, `1 shot` …
  const [about] = title.split(' by ');
  const isRepeated = title !== about && columns.every(({ metric }) => metric.startsWith(`${about}, `));
  const head = columns
    .map(({ metric, better }) => [isRepeated ? metric.slice(about.length + 2) : metric, arrow[better] ?? ''])
    .map(([name, direction]) => `<th scope="col">${escape(name)}${direction}</th>`)
    .join('');
  const body = rows.map(({ method, cells }) => {
    const columnsOf = columns.map((_, c) => {
      const cell = cells[c];
      if (cell === null || cell === undefined) return '<td>–</td>';
      const mean = number(cell.mean);
      return `<td${mean === best[c] ? ' class="best"' : ''}>${mean}${cell.half === null ? '' : ` <span class="soft">± ${number(cell.half)}</span>`}</td>`;
    });
    return `<tr><th scope="row">${escape(method)}</th>${columnsOf.join('')}</tr>`;
  });
  const caption = title === '' ? '' : `<h3>${escape(title)}</h3>`;
  return `${caption}<div class="table" tabindex="0"><table><thead><tr><th scope="col" class="word">method</th>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function learning(run: RunFolder, draw: Draw): string {
  const figures = learningFigures(run);
  return figures.length === 0 ? '' : `<section><h2>Learning curves</h2>${draw(figures)}</section>`;
}

function scenarioSection({ name, tables, charts, notes = [] }: StoredScenario, draw: Draw): string {
  const drawn = charts.map((chart): Figure => ({ name: `${name}-${chart.title}`, drawing: drawLines(chart) }));
  const remarks =
    notes.length === 0 ? '' : `<ul class="soft">${notes.map((note) => `<li>${escape(note)}</li>`).join('')}</ul>`;
  return `<section id="${slug(name)}"><h2>${escape(capital(words(name)))}</h2>${tables.map(tableHtml).join('')}${draw(drawn)}${remarks}</section>`;
}

function reading({ sets }: RunFolder): string {
  if (sets.length === 0) return '';
  return `<section><h2>How to read it</h2><dl>
<div><dt>± and bars</dt><dd>95 % intervals of the mean over tasks. They are about other tasks of the same kind, and do not hold the spread between training seeds. Two methods were measured on the same tasks: their difference is surer than their bars suggest.</dd></div>
<div><dt>Not adapted</dt><dd>The same model without the task’s support rows: what adaptation is worth.</dd></div>
<div><dt>Median</dt><dd>Predicted means decoded to the median of the ratings that validation tasks showed for them, which is what the mean absolute error rewards.</dd></div>
<div><dt>Minus the learner</dt><dd>Differences task by task with their 95 % intervals. Bold: Wilcoxon’s signed-rank test finds one at 5 % after Holm’s correction over the methods; the pointer shows p.</dd></div>
<div><dt>Over users</dt><dd>A dot is the median of the tasks, the bar holds nine of ten: how differently users are served, not how sure the mean is.</dd></div>
<div><dt>↑ ↓</dt><dd>Whether higher or lower is better; the best of a column is bold.</dd></div>
</dl></section>`;
}

function configuration({ manifest }: RunFolder): string {
  if (manifest === undefined) return '';
  const { config, data, model: _, best: __, run: ___, ...facts } = manifest;
  const rows = Object.entries({ ...facts, ...data }).filter(([, value]) => value !== undefined && value !== null);
  const text = (value: unknown) =>
    typeof value === 'object'
      ? Object.entries(value as object)
          .map(([k, v]) =>
            Array.isArray(value) ? String(v) : `${k} ${typeof v === 'number' ? Number(v.toPrecision(3)) : String(v)}`,
          )
          .join(', ')
      : `${value as string | number | boolean}`;
  const list = (of: typeof rows) =>
    of.map(([name, value]) => `<div><dt>${escape(words(name))}</dt><dd>${escape(text(value))}</dd></div>`).join('');
  const isDigest = ([, value]: [string, unknown]) => /^sha256:|^[0-9a-f]{32,}$/.test(text(value));
  const digests = rows.filter(isDigest);
  const fold =
    digests.length === 0 ? '' : `<details><summary>Digests</summary><dl class="facts">${list(digests)}</dl></details>`;
  const json =
    config === undefined
      ? ''
      : `<details><summary>Configuration</summary><pre tabindex="0">${escape(JSON.stringify(config, undefined, 2))}</pre></details>`;
  return `<section><h2>The run</h2><dl class="facts">${list(rows.filter((row) => !isDigest(row)))}</dl>${json}${fold}</section>`;
}
